{{ curriculum_resources('lesson') }}
