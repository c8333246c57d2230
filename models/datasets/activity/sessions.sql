{{ scoped(ref('int_sessions'), 'student_id') }}
