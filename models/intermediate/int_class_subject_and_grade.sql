-- What each class teaches and to whom: its subjects and its grades, each once and in order.
-- array(...) and not array_agg: it is never null, and one class costs its own rows alone.
select
    class.class_id,
    array(
        select distinct class_subject.subject_id
        from {{ ref('stg_one_roster_class_subject') }} as class_subject
        where class_subject.class_id = class.class_id and class_subject.subject_id is not null
        order by class_subject.subject_id
    ) as subject_ids,
    array(
        select distinct class_grade.grade_id
        from {{ ref('stg_one_roster_class_grade') }} as class_grade
        where class_grade.class_id = class.class_id and class_grade.grade_id is not null
        order by class_grade.grade_id
    ) as grade_ids
from {{ ref('stg_one_roster_class') }} as class
