-- of several credentials on one item, the first that reached 80 percent counts
with first_mastered as (
    select
        students_mastery.student_id,
        students_mastery.curriculum_item_id,
        min(students_mastery.mastery_timestamp) as mastered_at
    from {{ ref('students_mastery') }}
    where students_mastery.mastery_percentage >= 80
    group by students_mastery.student_id, students_mastery.curriculum_item_id
),

mastered as (
    select
        date_trunc('week', first_mastered.mastered_at at time zone 'UTC')::date as week,
        count(*) as items
    from first_mastered
    where first_mastered.mastered_at is not null
    group by week
)

select
    mastered.week,
    mastered.items as items_mastered,
    sum(mastered.items) over (order by mastered.week) as items_so_far
from mastered
order by mastered.week
