{{ curriculum_resources('subject') }}
