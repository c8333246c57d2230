{{ curriculum_resources('unit') }}
