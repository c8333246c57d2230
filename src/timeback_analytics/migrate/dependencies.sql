-- What depends on a relation or on its row type: a view by its rule, anything else by its own description.
select distinct
    view.oid as view_oid,
    depended.oid as on_oid,
    case
        when view.oid is null or view.relkind not in ('v', 'm')
            then pg_describe_object(pg_depend.classid, pg_depend.objid, pg_depend.objsubid)
    end as other_object,
    nullif(case when pg_depend.refclassid = 'pg_catalog.pg_class'::regclass then pg_depend.refobjsubid else 0 end, 0)
        as column_number
from pg_catalog.pg_depend
left join pg_catalog.pg_type
    on pg_depend.refclassid = 'pg_catalog.pg_type'::regclass and pg_depend.refobjid = pg_type.oid
left join pg_catalog.pg_type as element on pg_type.typelem = element.oid and pg_type.typcategory = 'A'
inner join pg_catalog.pg_class as depended
    on
        depended.oid = case
            when pg_depend.refclassid = 'pg_catalog.pg_class'::regclass then pg_depend.refobjid
            else coalesce(nullif(element.typrelid, 0), pg_type.typrelid)
        end
left join pg_catalog.pg_rewrite
    on pg_depend.classid = 'pg_catalog.pg_rewrite'::regclass and pg_depend.objid = pg_rewrite.oid
left join pg_catalog.pg_class as view on pg_rewrite.ev_class = view.oid
where
    pg_depend.deptype in ('n', 'a')
    and depended.relkind in ('r', 'p', 'f', 'v', 'm')
    and depended.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
    and (view.oid is null or view.oid <> depended.oid)
    and (view.oid is not null or depended.relkind in ('v', 'm'))
    -- what belongs to a view and is made with it
    and not (pg_depend.classid = 'pg_catalog.pg_attrdef'::regclass)
    and not (
        pg_depend.classid = 'pg_catalog.pg_trigger'::regclass
        and exists (
            select from pg_catalog.pg_trigger
            where pg_trigger.oid = pg_depend.objid and pg_trigger.tgrelid = depended.oid
        )
    )
    and not (
        pg_depend.classid = 'pg_catalog.pg_class'::regclass
        and exists (select from pg_catalog.pg_index where pg_index.indexrelid = pg_depend.objid)
    )
