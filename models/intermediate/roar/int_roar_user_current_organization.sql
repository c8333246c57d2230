{{ roar_current_organizations(ref('int_roar_users')) }}
