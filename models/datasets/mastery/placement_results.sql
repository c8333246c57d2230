{{ scoped(ref('int_placement_results'), 'student_id') }}
