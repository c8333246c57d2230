{{ scoped(ref('int_session'), 'student_id') }}
