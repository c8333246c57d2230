-- Views and materialized views as they are, by oid.
select
    pg_class.oid,
    pg_class.relkind::text as kind,
    pg_namespace.nspname as schema,
    pg_class.relname as name,
    pg_get_userbyid(pg_class.relowner) as owner,
    coalesce(pg_class.reloptions, '{}') as options,
    pg_get_viewdef(pg_class.oid) as definition,
    pg_class.relispopulated as is_populated,
    (
        select array_agg(pg_attribute.attname::text order by pg_attribute.attnum)
        from pg_catalog.pg_attribute
        where pg_attribute.attrelid = pg_class.oid and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
    ) as columns,
    (
        select coalesce(
            json_agg(
                json_build_array(
                    granted.column_name,
                    case granted.grantee when 0 then null else pg_get_userbyid(granted.grantee) end,
                    granted.privilege_type,
                    granted.is_grantable,
                    pg_get_userbyid(granted.grantor)
                )
                order by
                    granted.grantor <> pg_class.relowner, granted.column_name nulls first,
                    granted.grantee, granted.privilege_type
            ),
            '[]'
        )
        from (
            select null::text as column_name, acl.*
            from aclexplode(coalesce(pg_class.relacl, acldefault('r', pg_class.relowner))) as acl
            union all
            select pg_attribute.attname, acl.*
            from pg_catalog.pg_attribute
            cross join aclexplode(pg_attribute.attacl) as acl
            where pg_attribute.attrelid = pg_class.oid
        ) as granted
    ) as grants,
    (
        select coalesce(json_agg(json_build_array(pg_attribute.attname, pg_description.description) order by objsubid), '[]')
        from pg_catalog.pg_description
        left join pg_catalog.pg_attribute
            on pg_attribute.attrelid = pg_class.oid and pg_attribute.attnum = nullif(pg_description.objsubid, 0)
        where pg_description.objoid = pg_class.oid and pg_description.classoid = 'pg_catalog.pg_class'::regclass
    ) as comments,
    (
        select coalesce(json_agg(json_build_array(pg_attribute.attname, pg_get_expr(adbin, adrelid)) order by adnum), '[]')
        from pg_catalog.pg_attrdef
        inner join pg_catalog.pg_attribute
            on pg_attrdef.adrelid = pg_attribute.attrelid and pg_attrdef.adnum = pg_attribute.attnum
        where pg_attrdef.adrelid = pg_class.oid
    ) as defaults,
    -- a right that an owner has until somebody takes it
    exists (
        select from aclexplode(acldefault('r', pg_class.relowner)) as usual
        where usual.grantee = pg_class.relowner and not exists (
            select from aclexplode(coalesce(pg_class.relacl, acldefault('r', pg_class.relowner))) as acl
            where acl.grantee = usual.grantee and acl.privilege_type = usual.privilege_type
        )
    ) as owner_lacks_rights,
    array(
        select pg_get_indexdef(pg_index.indexrelid)
        from pg_catalog.pg_index where pg_index.indrelid = pg_class.oid order by pg_index.indexrelid
    )
    || array(
        select pg_get_ruledef(pg_rewrite.oid)
        from pg_catalog.pg_rewrite
        where pg_rewrite.ev_class = pg_class.oid and pg_rewrite.rulename <> '_RETURN' order by pg_rewrite.oid
    )
    || array(
        select pg_get_triggerdef(pg_trigger.oid)
        from pg_catalog.pg_trigger
        where pg_trigger.tgrelid = pg_class.oid and not pg_trigger.tgisinternal order by pg_trigger.oid
    ) as additions
from pg_catalog.pg_class
inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
where pg_class.oid = any(%s)
