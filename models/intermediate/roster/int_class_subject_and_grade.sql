-- What each class teaches and to whom: its subjects and its grades.
select
    class.class_id,
    {{ class_contents('subject', 'class.class_id') }} as subject_ids,
    {{ class_contents('grade', 'class.class_id') }} as grade_ids
from {{ ref('stg_one_roster_class') }} as class
