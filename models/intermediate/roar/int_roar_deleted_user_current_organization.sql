{{ roar_current_organizations(ref('int_roar_deleted_users')) }}
