-- One row a mastery credential. Nothing here is grouped or ranked by credential, so that a filter on
-- the student reaches the credentials' index.
select
    credential.student_id,
    round(credential.result_value * 100, 2) as mastery_percentage,
    achievement.cf_item_id as curriculum_item_id,
    credential.awarded_date as mastery_timestamp,
    document_app.learning_app_id
from {{ ref('stg_clr_achievement_credential') }} as credential
inner join {{ ref('stg_clr_achievement') }} as achievement
    on credential.achievement_id = achievement.achievement_id
left join {{ ref('stg_cf_item') }} as cf_item
    on achievement.cf_item_id = cf_item.cf_item_id
left join {{ ref('int_cf_document_learning_app') }} as document_app
    on cf_item.cf_document_id = document_app.cf_document_id
where achievement.achievement_type in ('StandardMastery', 'CurriculumMastery')
