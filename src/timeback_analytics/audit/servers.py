"""The rule about foreign servers, which `timeback shards check` asks too."""

QUERY = """
    -- the servers that tables of the internal schema are on
    with ours as (
        select distinct pg_foreign_server.*, pg_namespace.nspowner as deployer
        from pg_catalog.pg_foreign_table
        inner join pg_catalog.pg_class on pg_foreign_table.ftrelid = pg_class.oid
        inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
        inner join pg_catalog.pg_foreign_server on pg_foreign_table.ftserver = pg_foreign_server.oid
        where pg_namespace.nspname = %(internal)s
    )

    select
        'server ' || srvname::text,
        'is owned by ' || pg_get_userbyid(srvowner) || ', who may lead it elsewhere'
    from ours
    where srvowner <> deployer
    union all
    select
        'server ' || srvname::text,
        case acl.grantee when 0 then 'everybody' else pg_get_userbyid(acl.grantee)::text end
        || ' may use it, and make foreign tables and a mapping of their own'
    from ours
    cross join lateral aclexplode(ours.srvacl) as acl
    where acl.grantee not in (deployer, srvowner)
    union all
    select
        'server ' || ours.srvname::text,
        'has a mapping of ' || case mapping.umuser when 0 then 'everybody' else mapping.usename::text end
        || ', beside the owner of the views'
    from ours
    inner join pg_catalog.pg_user_mappings as mapping on ours.oid = mapping.srvid
    where mapping.umuser <> deployer
    union all
    select
        'server ' || srvname::text,
        'has no mapping of ' || pg_get_userbyid(deployer) || ', the owner of the views'
    from ours
    where not exists (
        select from pg_catalog.pg_user_mappings as mapping
        where mapping.srvid = ours.oid and mapping.umuser in (deployer, 0)
    )
    union all
    select 'server ' || srvname::text, 'is reached over a network without sslmode verify-full or verify-ca'
    from ours
    where
        exists (
            select from unnest(srvoptions) as option
            where
                option ~ '^(host|hostaddr)='
                and option !~ '=(/|@|localhost$|127[.]0[.]0[.]1$|::1$)'
        )
        and not srvoptions && array['sslmode=verify-full', 'sslmode=verify-ca']
"""
"""A row (object, finding) for each right of somebody else on a server of ours, and each open connection."""
