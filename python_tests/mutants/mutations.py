"""The ways in which the project is broken on purpose, one at a time, to see which test notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

EXPECTATION = "python_tests/test_expectation.py"
CONTRACTS = "python_tests/test_contracts.py"
INVARIANTS = "python_tests/test_invariants.py"
SCOPE = "python_tests/test_scope.py"
LINEAGE = "python_tests/test_lineage.py"
GUARD = "python_tests/test_guard.py"
ATTACKS = "python_tests/test_attacks.py"
OLDER = "python_tests/test_older_postgres.py"
BIND = "python_tests/test_bind.py"
RIGHTS = "python_tests/test_deploy_rights.py"
LINT = "python_tests/test_catalog_lint.py"
CHECK = "python_tests/test_check.py"
COVERAGE = "python_tests/test_coverage.py"
DOCUMENTED_COLUMNS = "python_tests/test_documented_columns.py"
DEPLOY = "python_tests/test_deploy.py"
ROAR = "python_tests/test_roar.py"
STORED = "python_tests/test_stored_facts.py"
PATH = "python_tests/test_search_path.py"
MOVED = "python_tests/test_moved_sources.py"
EXTREMES = "python_tests/test_extreme_values.py"
JOB = "python_tests/test_job.py"

ON_ONE_DATABASE = (EXPECTATION, INVARIANTS, CONTRACTS, ROAR)
"""Tests that take a deployed catalog as it is; the others deploy for themselves."""

SCOPE_MACRO = "macros/scope/scoped.sql"
SCOPE_FUNCTIONS = "macros/scope/scope_functions.sql"
SCOPE_FUNCTION = "macros/scope/create_scope_objects.sql"
SETTING_PARSER = "macros/scope/setting_parser.sql"
CHECK_OWNERS = "macros/deploy/check_owners.sql"
READER_ROLES = "macros/deploy/reader_roles.sql"
CREATE_FUNCTION = "macros/deploy/create_function.sql"
CALLER_SCOPE = "macros/scope/caller_scope.sql"
CURRENT_ORGANIZATION = "models/intermediate/int_person_current_organization.sql"
VIEW = "macros/overrides/view.sql"
DEPLOY_VIEW = "macros/deploy/deploy_view.sql"
GUARDING_TEST = "tests/scoped_datasets_show_rows.sql"
BINDING_CHANGES = "src/timeback_analytics/binding/changes.py"
BINDING_CATALOG = "src/timeback_analytics/binding/catalog.py"
CATALOG_LINT = "src/timeback_analytics/catalog_lint.py"
CHECKPOINT = "src/timeback_analytics/checkpoint.py"
ROAR_COLLECTIONS = "macros/roar/roar_collections.sql"
ROAR_TYPES = "macros/roar/json_types.sql"
ROAR_RUN_COUNTS = "tests/source_roar_run_counts.sql"
ROAR_MODELS = "stg_roar_document+"
CHANGED_ROWS = "macros/stored/changed_rows.sql"


@dataclass(frozen=True)
class Mutation:
    """A text of a file that another one takes the place of. The file must hold it exactly once."""

    what: str
    """What is broken, for the table of results."""
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = (EXPECTATION, INVARIANTS, CONTRACTS)
    """The test files to ask, those that should notice first."""
    models: str = field(default="")
    """What dbt deploys anew, in its own way of selecting; the file's model and all above it by default."""

    @property
    def selection(self) -> str:
        """What dbt deploys anew; empty stands for everything."""
        path = PurePosixPath(self.file)
        if self.models or path.parts[0] != "models":
            return self.models
        return f"{path.stem}+"


# -- who sees what --------------------------------------------------------------------------------

_SCOPE = [
    Mutation(
        "few people: org_ids holds all organizations of the person, not those asked for",
        SCOPE_FUNCTIONS,
        """        where membership.org_id = any(asked)
        group by membership.person_id;""",
        """        where membership.person_id in (
            select allowed.person_id from {{ internal_schema() }}.{{ membership }} as allowed
            where allowed.org_id = any(asked)
        )
        group by membership.person_id;""",
        (SCOPE,),
    ),
    Mutation(
        "few people: everybody is in scope",
        SCOPE_FUNCTIONS,
        "        where membership.org_id = any(asked)\n        group by membership.person_id;",
        "        group by membership.person_id;",
        (SCOPE,),
    ),
    Mutation(
        "many people: the list of organizations is not asked for",
        SCOPE_MACRO,
        "        or membership.org_id = any((select caller.org_ids from caller)::{{ scope.org_type }}[])\n",
        "        or true\n",
        (SCOPE,),
    ),
    Mutation(
        "many people: a person without an organization is seen with any list",
        SCOPE_MACRO,
        "        wide_person.person_id is not null\n",
        "        true\n",
        (SCOPE,),
    ),
    Mutation(
        "many people: narrow and wide both run",
        SCOPE_MACRO,
        "    and not (select breadth.is_wide from breadth)\n",
        "",
        (SCOPE,),
    ),
    Mutation(
        "a bound role: filters go below the scope",
        SCOPE_MACRO,
        """    {%- if is_fenced %}
    limit all offset 0
    {%- endif %}
) as person_rows""",
        ") as person_rows",
        (ATTACKS,),
    ),
    Mutation(
        "a bound role's plan shows what statistics say of everybody",
        SCOPE_MACRO,
        "where\n    not {{ is_bound_when_planned() }}\n    and (select",
        "where\n    not (select {{ is_bound_when_planned() }})\n    and (select",
        (ATTACKS,),
    ),
    Mutation(
        "a bound role's plan shows what statistics say of one person",
        SCOPE_MACRO,
        "where\n    not {{ is_bound_when_planned() }}\n    and not",
        "where\n    not (select {{ is_bound_when_planned() }})\n    and not",
        (ATTACKS,),
    ),
    Mutation(
        "a bound caller is planned for as unbound, and the other way round",
        SCOPE_MACRO,
        "where {{ is_bound_when_planned() }}\n\nunion all",
        "where not {{ is_bound_when_planned() }}\n\nunion all",
        (SCOPE, BIND),
    ),
    Mutation(
        "a kept plan that was made for another role is run",
        "macros/scope/caller_scope.sql",
        "where not exists (",
        "where true or not exists (",
        (BIND,),
    ),
    Mutation(
        "bindings have no row level security, so a plan is kept for every role",
        "macros/scope/bindings.sql",
        "            alter table {{ internal_schema() }}.{{ table }} enable row level security;\n",
        "            null;\n",
        (BIND,),
    ),
    Mutation(
        "whoever takes on a bound role is planned for as unbound",
        SCOPE_FUNCTIONS,
        "membership.member in (quote_ident(session_user)::regrole, quote_ident(current_user)::regrole)",
        "membership.member = quote_ident(session_user)::regrole",
        (BIND,),
    ),
    Mutation(
        "a function that runs as its bound owner is planned for as unbound",
        SCOPE_FUNCTIONS,
        "'', '', 'boolean', 'immutable', body)",
        "'', '', 'boolean', 'immutable', body, runs_as_owner=true)",
        (BIND,),
    ),
    Mutation(
        "the mark of a bound role counts for nothing",
        SCOPE_FUNCTIONS,
        """                    exists (
                        select from pg_catalog.pg_auth_members as membership""",
        """                    false and exists (
                        select from pg_catalog.pg_auth_members as membership""",
        (BIND,),
    ),
    Mutation(
        "a new role of an old name has the old binding",
        SCOPE_FUNCTIONS,
        "on bound.role_name = role.rolname and coalesce(bound.role_oid, role.oid) = role.oid",
        "on bound.role_name = role.rolname",
        (BIND,),
    ),
    Mutation(
        "an organization as often as the person has roles in it",
        SCOPE_MACRO,
        "array_agg(distinct membership.org_id order by membership.org_id)",
        "array_agg(membership.org_id order by membership.org_id)",
        (SCOPE,),
    ),
    Mutation(
        "few people: an organization as often as the person has roles in it",
        SCOPE_FUNCTIONS,
        "array_agg(distinct membership.org_id order by membership.org_id)",
        "array_agg(membership.org_id order by membership.org_id)",
        (SCOPE,),
    ),
    Mutation(
        "org_ids is null where a person has no organization",
        SCOPE_MACRO,
        "coalesce(wide_person.org_ids, '{}'::\" ~ scope.org_type ~ \"[]) as org_ids",
        "wide_person.org_ids as org_ids",
        (SCOPE,),
    ),
    Mutation(
        "an inactive or deleted membership counts",
        CURRENT_ORGANIZATION,
        "    status = 'active'\n    and (end_date is null",
        "    (end_date is null",
        (SCOPE,),
    ),
    Mutation(
        "an ended membership counts",
        CURRENT_ORGANIZATION,
        "    and (end_date is null or end_date > {{ today() }})",
        "",
        (SCOPE,),
    ),
    Mutation(
        "a membership counts on its end date",
        CURRENT_ORGANIZATION,
        "end_date > {{ today() }}",
        "end_date >= {{ today() }}",
        (SCOPE,),
    ),
    Mutation(
        "a membership that begins later does not count",
        CURRENT_ORGANIZATION,
        "    status = 'active'\n",
        "    status = 'active'\n    and begin_date <= {{ today() }}\n",
        (SCOPE,),
    ),
    Mutation(
        "only a student's membership counts",
        CURRENT_ORGANIZATION,
        "    status = 'active'\n",
        "    status = 'active'\n    and role = 'student'\n",
        (SCOPE,),
    ),
    Mutation(
        "today is the session's",
        "macros/date_of.sql",
        "    {{ local_date('now()', var('timezone')) }}\n",
        "    current_date\n",
        (SCOPE,),
    ),
    Mutation(
        "everybody is the default",
        SCOPE_FUNCTION,
        "        is_everyone := false;\n",
        "        is_everyone := requested = '';\n",
        (SCOPE,),
    ),
    Mutation(
        "asking for everybody without the right to shows nothing instead of failing",
        SCOPE_FUNCTION,
        "                raise insufficient_privilege using\n",
        "                return;\n                raise insufficient_privilege using\n",
        (SCOPE,),
    ),
    Mutation(
        "anybody may ask for everybody",
        SCOPE_FUNCTIONS,
        "unrestricted.rolname = 'timeback_unrestricted'\n                and (",
        "unrestricted.rolname = 'timeback_unrestricted'\n                and (true or",
        (SCOPE,),
    ),
    Mutation(
        "whoever logged in may ask for everybody, whatever role is set",
        SCOPE_FUNCTIONS,
        "pg_has_role(caller, unrestricted.oid, 'usage')",
        "pg_has_role(session_user, unrestricted.oid, 'usage')",
        (SCOPE,),
    ),
    Mutation(
        "a membership that gives nothing lets its member ask for everybody",
        SCOPE_FUNCTIONS,
        "case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end",
        "'member'",
        (BIND,),
    ),
    Mutation(
        "SET ROLE sheds the binding of the login",
        SCOPE_FUNCTIONS,
        "                role.rolname in (caller, session_user)\n",
        "                role.rolname = caller\n",
        (SCOPE,),
    ),
    Mutation(
        "two bindings add up",
        SCOPE_FUNCTIONS,
        "having count(*) = cardinality(bound_roles)",
        "having count(*) > 0",
        (SCOPE,),
    ),
    Mutation(
        "a bound role asks for everybody and gets everybody",
        SCOPE_FUNCTION,
        """            if binding is not null then
                org_ids := binding;
            elsif may_see_everyone then
                is_everyone := true;
""",
        """            if may_see_everyone then
                is_everyone := true;
            elsif binding is not null then
                org_ids := binding;
""",
        (SCOPE,),
    ),
    Mutation(
        "a setting widens a binding",
        SCOPE_FUNCTION,
        "            where binding is null or element::{{ id_type }} = any(binding)\n",
        "",
        (SCOPE,),
    ),
    Mutation(
        "a star in braces asks for everybody",
        SCOPE_FUNCTION,
        "        requested := btrim(coalesce(requested, ''), white_space);\n",
        "        requested := replace(btrim(coalesce(requested, ''), white_space), '{*}', '*');\n",
        (SCOPE,),
    ),
    Mutation(
        "an id without its hyphens passes",
        SETTING_PARSER,
        "'^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$'",
        "'^[0-9a-fA-F-]{32,36}$'",
        (SCOPE,),
    ),
    Mutation(
        "an empty element of the list is passed over",
        SETTING_PARSER,
        "        where element !~ '^",
        "        where element <> '' and element !~ '^",
        (SCOPE,),
    ),
    Mutation(
        "white space around an id of the list is an error",
        SETTING_PARSER,
        "            select btrim(element, white_space)\n",
        "            select element\n",
        (SCOPE,),
    ),
    Mutation(
        "the function that reads the setting takes names from the caller's search_path",
        CREATE_FUNCTION,
        "            set search_path = pg_catalog, pg_temp\n            as $body$",
        "            as $body$",
        (LINT,),
    ),
    Mutation(
        "the function that reads the setting runs with its owner's rights",
        CREATE_FUNCTION,
        "security {{ 'definer' if runs_as_owner else 'invoker' }}",
        "security definer",
        (LINT,),
    ),
    Mutation(
        "the function that reads the setting is volatile",
        SCOPE_FUNCTION,
        "        volatility='stable',\n",
        "        volatility='volatile',\n",
        (LINT,),
    ),
    Mutation(
        "the function that reads the setting keeps a query from running in parallel",
        CREATE_FUNCTION,
        "language plpgsql {{ volatility }} parallel {{ parallel }} security",
        "language plpgsql {{ volatility }} security",
        (SCOPE,),
    ),
    Mutation(
        "scoped views are no security barriers",
        VIEW,
        "'security_barrier = ' ~ ('true' if is_scoped(config.get('meta', {})) else 'false')",
        "'security_barrier = false'",
        (SCOPE,),
    ),
    Mutation(
        "scope_student_rows scopes nothing",
        "macros/scope/scope_student_rows.sql",
        "{%- if var('scope_student_rows') -%}",
        "{%- if false -%}",
        (SCOPE,),
    ),
    Mutation(
        "a dataset goes around the scope",
        "models/datasets/people/student_schools.sql",
        """{{ scoped(ref('int_student_school'), 'student_id', grouped=true) }}""",
        """select
    student_id,
    school_id,
    school_name,
    link_kind,
    begin_date,
    end_date,
    array(
        select org_id from {{ ref('int_person_current_organization') }} where person_id = student_id
    ) as org_ids
from {{ ref('int_student_school') }}""",
        (LINEAGE,),
    ),
    Mutation(
        "dbt's tests run under no scope",
        "macros/overrides/test_scope.sql",
        '.get("scope", "*")',
        '.get("scope", "")',
        (GUARD,),
    ),
    Mutation(
        "the guard of dbt's tests looks at nothing",
        GUARDING_TEST,
        "        exists (select 1 from {{ behind.get(dataset, ref(dataset)) }})\n",
        "        false\n",
        (GUARD,),
    ),
    Mutation(
        "the guard of dbt's tests looks at who belongs where, and not at what is scoped",
        "macros/scope/models_behind_scoped_datasets.sql",
        " if not graph.nodes[unique_id].config.meta.decides_scope -%}",
        " -%}",
        (LINEAGE,),
    ),
    Mutation(
        "the guard of dbt's tests is content with less than every scoped dataset",
        GUARDING_TEST,
        "{%- if execute and behind.keys() | sort != datasets -%}",
        "{%- if false -%}",
        (GUARD,),
    ),
]

# -- who has which right ----------------------------------------------------------------------------

_RIGHTS = [
    Mutation(
        "readers may read the models behind the datasets",
        VIEW,
        "{%- set is_published = target_relation.schema == target.schema -%}",
        "{%- set is_published = true -%}",
        (RIGHTS,),
    ),
    Mutation(
        "readers may write",
        DEPLOY_VIEW,
        "grant select on {{ relation }} to timeback_reader;",
        "grant select, insert on {{ relation }} to timeback_reader;",
        (RIGHTS,),
    ),
    Mutation(
        "readers may read nothing",
        VIEW,
        "{%- set is_published = target_relation.schema == target.schema -%}",
        "{%- set is_published = false -%}",
        (RIGHTS,),
    ),
    Mutation(
        "readers may not enter the published schema",
        SCOPE_FUNCTION,
        "        {%- do grant_published_schema() -%}\n",
        "",
        (RIGHTS,),
    ),
    Mutation(
        "readers may create in the published schema",
        READER_ROLES,
        "grant usage on schema {{ adapter.quote(target.schema) }} to timeback_reader;",
        "grant usage, create on schema {{ adapter.quote(target.schema) }} to timeback_reader;",
        (RIGHTS,),
    ),
    Mutation(
        "readers may not call the function that reads the setting, where functions are nobody's",
        CREATE_FUNCTION,
        "            where granted.grantee = 0 and granted.privilege_type = 'EXECUTE'\n",
        "            where granted.privilege_type = 'EXECUTE'\n",
        (RIGHTS,),
    ),
    Mutation(
        "a run takes over what somebody else has made in our schemas",
        SCOPE_FUNCTION,
        "        {%- do check_owners() -%}\n",
        "",
        (RIGHTS,),
    ),
    Mutation(
        "a run takes over a function that somebody else has made",
        CHECK_OWNERS,
        "            where not is_published\n        ),\n\n        judged as (",
        "            where false\n        ),\n\n        judged as (",
        (RIGHTS,),
    ),
    Mutation(
        "a run takes over a schema that somebody else owns",
        CHECK_OWNERS,
        "            select 'schema ' || quote_ident(nspname) as object, nspowner as owner\n"
        "            from schema_of_ours\n",
        "            select 'schema ' || quote_ident(nspname) as object, nspowner as owner\n"
        "            from schema_of_ours\n            where false\n",
        (RIGHTS,),
    ),
    Mutation(
        "a view that others stand on leaves them on its old columns",
        DEPLOY_VIEW,
        "    where not dependent.is_ours;\n",
        "    where false;\n",
        (DEPLOY,),
    ),
    Mutation(
        "columns change without being asked to",
        DEPLOY_VIEW,
        "{% if not var('replace_columns') -%}",
        "{% if false -%}",
        (DEPLOY,),
    ),
    Mutation(
        "a new view comes without the grants of the old one",
        DEPLOY_VIEW,
        "                {{ restore_grants(relation) }}\n",
        "",
        (DEPLOY,),
    ),
    Mutation(
        "a run that changes nothing replaces every view",
        VIEW,
        "{%- if not before['is_current'] -%}\n        {%- if config",
        "{%- if true -%}\n        {%- if config",
        (DEPLOY,),
    ),
    Mutation(
        "a barrier that somebody took off is not mended",
        "macros/deploy/deployed_view.sql",
        "deployed_view.definition_hash = {{ definition_hash('pg_class.oid') }}\n",
        "true\n",
        (DEPLOY,),
    ),
    Mutation(
        "columns in another order are deployed",
        "macros/overrides/contract.sql",
        "    {%- if sql_formatted != yaml_formatted -%}\n",
        "    {%- if sql_formatted | sort != yaml_formatted | sort -%}\n",
        (DOCUMENTED_COLUMNS,),
    ),
    Mutation(
        "a dataset of other columns than documented is deployed",
        VIEW,
        "        {{ get_assert_columns_equivalent(sql) }}\n",
        "",
        (DOCUMENTED_COLUMNS,),
    ),
    Mutation(
        "a later binding adds to the earlier one",
        BINDING_CHANGES,
        "            _delete_rows(catalog, scope, role)\n",
        "            pass\n",
        (BIND,),
    ),
    Mutation(
        "an organization that is unknown can be bound",
        BINDING_CATALOG,
        """    if unknown:
        raise TimebackError(
            f"The operational""",
        """    if False:
        raise TimebackError(
            f"The operational""",
        (BIND,),
    ),
    Mutation(
        "an organization of ROAR that is unknown can be bound",
        BINDING_CATALOG,
        "    if missing:\n",
        "    if False:\n",
        (BIND,),
    ),
    Mutation(
        "a role's default scope can go beyond its binding",
        BINDING_CATALOG,
        "    if beyond:\n",
        "    if False:\n",
        (BIND,),
    ),
    Mutation(
        "whoever is unbound reads on",
        BINDING_CHANGES,
        "            if not keep_access:\n",
        "            if False:\n",
        (BIND,),
    ),
    Mutation(
        "whoever reads by another way is unbound",
        BINDING_CHANGES,
        "    if still_reads:\n",
        "    if False:\n",
        (BIND,),
    ),
    Mutation(
        "an unbound role keeps its default scope",
        BINDING_CHANGES,
        "scopes().values():\n                if default_scope(conn, role, scope.setting) is not None:\n",
        "scopes().values():\n                if False:\n",
        (BIND,),
    ),
    Mutation(
        "lint: another's view is no finding",
        CATALOG_LINT,
        "        where owned.owner <> deployer.oid and not",
        "        where false and not",
        (LINT,),
    ),
    Mutation(
        "lint: a barrier that is off counts as one",
        CATALOG_LINT,
        "where option in ('security_barrier=true', 'security_barrier=on', 'security_barrier=1')",
        "where option like 'security_barrier%%'",
        (LINT,),
    ),
    Mutation(
        "lint: a right with grant option is no finding",
        CATALOG_LINT,
        "                and not granted.is_grantable\n",
        "",
        (LINT,),
    ),
    Mutation(
        "lint: what readers may in the internal schema is no finding",
        CATALOG_LINT,
        "                granted.is_published\n                and granted.grantee",
        "                granted.grantee",
        (LINT,),
    ),
    Mutation(
        "lint: a right on a column is no finding",
        CATALOG_LINT,
        "    cross join lateral aclexplode(pg_attribute.attacl) as acl\n",
        "    cross join lateral aclexplode(pg_attribute.attacl) as acl\n    where false\n",
        (LINT,),
    ),
    Mutation(
        "lint: a view that calls a stranger's function is no finding",
        CATALOG_LINT,
        "                and pg_proc.proowner <> deployer.oid\n",
        "                and false\n",
        (LINT,),
    ),
    Mutation(
        "lint: a view that reads a setting by itself is no finding",
        CATALOG_LINT,
        "                and pg_proc.proname = 'current_setting'\n",
        "                and false\n",
        (LINT,),
    ),
    Mutation(
        "lint: a scoped view that asks nobody who calls is no finding",
        CATALOG_LINT,
        "            and our_relation.oid not in (select oid from asks_who_calls)\n",
        "            and false\n",
        (LINT,),
    ),
    Mutation(
        "lint: what shows org_ids and is called unscoped is no finding",
        CATALOG_LINT,
        "                        and pg_attribute.attname = 'org_ids'\n",
        "                        and false\n",
        (LINT,),
    ),
    Mutation(
        "lint: a column that joins with another person is no finding",
        CATALOG_LINT,
        "joined & keys or any(",
        "any(",
        (LINT,),
    ),
    Mutation(
        "lint: an undocumented view is no finding",
        CATALOG_LINT,
        "where our_relation.is_published and our_relation.relname not in (select dataset from documented)\n",
        "where false\n",
        (LINT,),
    ),
    Mutation(
        "lint: a column that shows another person is no finding",
        CATALOG_LINT,
        "        where documented.shows_other\n",
        "        where false\n",
        (LINT,),
    ),
    Mutation(
        "lint: a binding of a role that is gone is no finding",
        CATALOG_LINT,
        "            role.oid is null\n            or bool_or(bound.role_oid",
        "            false\n            or bool_or(bound.role_oid",
        (LINT,),
    ),
]

# -- what the rows say ----------------------------------------------------------------------------

_STAGING = "models/staging/stg_"

_ROWS = [
    Mutation(
        "start and end of an attempt change places",
        f"{_STAGING}caliper_attempt.sql",
        "    started_at_time as start_time,\n    ended_at_time as end_time,\n",
        "    ended_at_time as start_time,\n    started_at_time as end_time,\n",
    ),
    Mutation(
        "student and guide change places",
        "models/intermediate/people/int_student_guide.sql",
        "    coalesce(student.name, '') as student_name,\n    relationship.guide_id,\n"
        "    coalesce(guide.name, '') as guide_name,\n",
        "    coalesce(guide.name, '') as student_name,\n    relationship.guide_id,\n"
        "    coalesce(student.name, '') as guide_name,\n",
    ),
    Mutation(
        "two columns of a dataset are in another order",
        "models/datasets/mastery/placement_results.sql",
        "{{ scoped(ref('int_student_placement'), 'student_id') }}",
        "select subject_id, student_id from {{ ref('int_student_placement') }}",
        (CONTRACTS,),
    ),
    Mutation(
        "a student is whoever has a role",
        "models/intermediate/people/int_student.sql",
        " and held.role = 'student'",
        "",
    ),
    Mutation(
        "a student whose role has ended is none",
        "models/intermediate/people/int_student.sql",
        " and held.role = 'student'",
        " and held.role = 'student' and held.status = 'active'",
    ),
    Mutation(
        "a blank part of a name leaves its space",
        "macros/person_name.sql",
        "concat_ws(' ', {{ text_or_null(given_name) }}, {{ text_or_null(family_name) }})",
        "concat_ws(' ', {{ given_name }}, {{ family_name }})",
        models="stg_one_roster_user+",
    ),
    Mutation(
        "a title of tabs and line breaks counts as one",
        "macros/text_or_null.sql",
        "btrim({{ expression }}, e' \\t\\n\\x0b\\f\\r') <> ''",
        "btrim({{ expression }}) <> ''",
        models="stg_one_roster_user+ stg_caliper_assessment+ stg_caliper_assessment_item+"
        " stg_caliper_assignable_digital_resource+ int_class_enrollment+",
    ),
    Mutation(
        "enrollments of teachers are in class_enrollments",
        "models/intermediate/roster/int_student_enrollment.sql",
        "\nwhere role = 'student'",
        "",
    ),
    Mutation(
        "an open enrollment does not keep the course going",
        "models/intermediate/roster/int_course_enrollment.sql",
        "case when bool_and(enrollment.end_date is not null) then max(enrollment.end_date) end as end_date",
        "max(enrollment.end_date) as end_date",
    ),
    Mutation(
        "a class with two subjects counts twice",
        "models/intermediate/roster/int_course_enrollment.sql",
        "count(distinct enrollment.class_id) as class_count",
        "count(enrollment.class_id) as class_count",
    ),
    Mutation(
        "an attachment is there as often as it is recorded",
        "models/intermediate/people/int_student_school.sql",
        "select distinct\n",
        "select\n",
    ),
    Mutation(
        "a student at two schools' classes counts by record",
        "models/intermediate/roster/int_school_student.sql",
        "select distinct\n",
        "select\n",
    ),
    Mutation(
        "admission by a secondary role comes before that by a primary one",
        "models/intermediate/people/int_student_start_date.sql",
        "            min(coalesce(admission_date, begin_date)) filter (where is_primary),\n",
        "",
    ),
    Mutation(
        "an empty report counts as a report",
        "models/intermediate/people/int_student_start_date.sql",
        "report_url <> ''",
        "report_url is not null",
    ),
    Mutation(
        "the last attempt and not the first",
        "models/intermediate/activity/int_first_attempt.sql",
        "            ) < (\n",
        "            ) > (\n",
    ),
    Mutation(
        "attempts that tie are all shown",
        "models/intermediate/activity/int_first_attempt.sql",
        """                coalesce(earlier.attempt_count, 0),
                earlier.attempt_id collate "C"
            ) < (""",
        """                coalesce(earlier.attempt_count, 0),
                attempt.attempt_id collate "C"
            ) < (""",
    ),
    Mutation(
        "the lowest attempt id by the server's collation",
        "models/intermediate/activity/int_first_attempt.sql",
        """                coalesce(earlier.attempt_count, 0),
                earlier.attempt_id collate "C"
            ) < (
                attempt.start_time is null,
                coalesce(attempt.start_time, 'infinity'),
                attempt.attempt_count is null,
                coalesce(attempt.attempt_count, 0),
                attempt.attempt_id collate "C"
""",
        """                coalesce(earlier.attempt_count, 0),
                earlier.attempt_id
            ) < (
                attempt.start_time is null,
                coalesce(attempt.start_time, 'infinity'),
                attempt.attempt_count is null,
                coalesce(attempt.attempt_count, 0),
                attempt.attempt_id
""",
        (OLDER,),
    ),
    Mutation(
        "the oldest score and not the newest",
        "models/intermediate/activity/int_newest_score.sql",
        '(newer.date_created, newer.score_id collate "C") > (',
        '(newer.date_created, newer.score_id collate "C") < (',
    ),
    Mutation(
        "a score beyond the maximum is correct",
        "models/intermediate/activity/int_newest_score.sql",
        "score.score_given = score.max_score",
        "score.score_given >= score.max_score",
    ),
    Mutation(
        "the clock wins over the client's duration",
        "models/intermediate/activity/int_attempt_live.sql",
        """        round({{ iso_duration_seconds('first_attempt.client_duration') }}),
        case
            when first_attempt.end_time >= first_attempt.start_time
                then {{ whole_seconds('first_attempt.start_time', 'first_attempt.end_time') }}
        end
""",
        """        case
            when first_attempt.end_time >= first_attempt.start_time
                then {{ whole_seconds('first_attempt.start_time', 'first_attempt.end_time') }}
        end,
        round({{ iso_duration_seconds('first_attempt.client_duration') }})
""",
    ),
    Mutation(
        "a duration in lower case counts",
        "macros/iso_duration_seconds.sql",
        "{{ expression }} ~ '^P(",
        "{{ expression }} ~* '^P(",
        models="int_attempt_live+",
    ),
    Mutation(
        "an attempt has the session of an event that acted on it alone",
        "models/intermediate/activity/int_attempt_event.sql",
        "select\n    generated_id as attempt_id,",
        "select\n    null::text as attempt_id,",
    ),
    Mutation(
        "every attempt counts as a question",
        "models/intermediate/activity/int_session_attempt.sql",
        "inner join {{ ref('stg_caliper_assessment_item') }}",
        "left join {{ ref('stg_caliper_assessment_item') }}",
    ),
    Mutation(
        "an attempt without a score counts as answered",
        "models/intermediate/activity/int_session_attempt.sql",
        "count(attempt.is_correct) as total_questions_answered",
        "count(*) as total_questions_answered",
    ),
    Mutation(
        "a session that ends before it starts has an end",
        f"{_STAGING}caliper_session.sql",
        "case when ended_at_time >= started_at_time then ended_at_time end as ended_at_time",
        "ended_at_time",
    ),
    Mutation(
        "a session is as many rows as insight sessions",
        "models/intermediate/activity/int_session.sql",
        "from {{ ref('stg_caliper_session') }} as session\n",
        "from {{ ref('stg_caliper_session') }} as session\n"
        "left join {{ ref('stg_insights_session') }} as told on session.session_id = told.session_id\n",
    ),
    Mutation(
        "dates are those of the session's zone",
        "macros/date_of.sql",
        "({{ timestamp_expression }} at time zone '{{ timezone }}')::date",
        "({{ timestamp_expression }})::date",
        models="stg_caliper_session+ int_attempt_live+ stg_tb_xp_ledger+ stg_insights_recommendation+"
        " int_student_journal+ int_student_start_date+",
    ),
    Mutation(
        "seconds are cut and not rounded",
        "macros/whole_seconds.sql",
        "round({{ seconds_between",
        "trunc({{ seconds_between",
        models="stg_caliper_session+ int_attempt_live+ int_confirmed_insight+",
    ),
    Mutation(
        "XP without an event is left out",
        "models/intermediate/activity/int_xp_entry_live.sql",
        "left join {{ ref('stg_caliper_event') }}",
        "inner join {{ ref('stg_caliper_event') }}",
    ),
    Mutation(
        "a relation of any kind is containment",
        "models/intermediate/curriculum/int_resource_containment.sql",
        "\nwhere relationship_type = 'isPartOf'",
        "",
    ),
    Mutation(
        "a pair that is recorded twice is two rows",
        "models/datasets/curriculum/question_tests.sql",
        "select distinct\n",
        "select\n",
    ),
    Mutation(
        "a course that the roster alone knows is left out",
        "models/datasets/curriculum/courses.sql",
        "    where not exists (\n        select 1 from curriculum_course",
        "    where false and not exists (\n        select 1 from curriculum_course",
    ),
    Mutation(
        "a course in two subjects keeps the last",
        "models/intermediate/curriculum/int_course_subject.sql",
        "containment.item_order asc nulls last",
        "containment.item_order desc nulls last",
    ),
    Mutation(
        "a grade is shown before the placement is completed",
        "models/intermediate/mastery/int_student_placement.sql",
        "case when placement_status = 'Completed' then grade_id end as grade_id",
        "grade_id",
    ),
    Mutation(
        "a badge counts as mastery",
        "models/intermediate/mastery/int_student_mastery.sql",
        "\nwhere achievement.achievement_type in ('StandardMastery', 'CurriculumMastery')",
        "",
    ),
    Mutation(
        "mastery is rounded to one decimal",
        "models/intermediate/mastery/int_student_mastery.sql",
        "round(credential.result_value * 100, 2)",
        "round(credential.result_value * 100, 1)",
    ),
]

# -- what a school is told of a child ---------------------------------------------------------------

_INSIGHTS = [
    Mutation(
        "an insight that waits for review is confirmed",
        "models/intermediate/insights/int_confirmed_insight.sql",
        " and config.requires_review",
        " and false",
        models="int_confirmed_insight+",
    ),
    Mutation(
        "the first review counts and not the latest",
        "models/intermediate/insights/int_confirmed_insight.sql",
        "order by review.reviewed_at desc, review.review_id desc",
        "order by review.reviewed_at asc, review.review_id asc",
    ),
    Mutation(
        "whatever is no false positive is confirmed",
        "models/intermediate/insights/int_confirmed_insight.sql",
        ") = 'TruePositive'",
        ") <> 'FalsePositive'",
    ),
    Mutation(
        "a hidden insight is shown",
        "models/intermediate/insights/int_confirmed_insight.sql",
        "        insight.is_visible\n",
        "        true\n",
    ),
    Mutation(
        "an insight that ends before it starts is shown",
        "models/intermediate/insights/int_confirmed_insight.sql",
        "        and insight.ended_at_time >= insight.started_at_time\n",
        "",
    ),
    Mutation(
        "an insight without length is left out",
        "models/intermediate/insights/int_confirmed_insight.sql",
        "insight.ended_at_time >= insight.started_at_time",
        "insight.ended_at_time > insight.started_at_time",
    ),
    Mutation(
        "an internal type is shown",
        "models/intermediate/insights/int_external_insight.sql",
        "\nwhere insight_type.visibility = 'external'",
        "",
    ),
    Mutation(
        "a rule of proctoring is broken outside proctoring",
        "models/intermediate/insights/int_confirmed_insight.sql",
        "category = 'Proctoring' and is_proctored as is_proctoring",
        "category = 'Proctoring' as is_proctoring",
    ),
    Mutation(
        "cheating that overlaps counts twice",
        "models/intermediate/insights/int_session_insight_time.sql",
        "round({{ seconds_covered('total.cheating_ranges') }}) as cheating_sec",
        "round(total.waste_sec) as cheating_sec",
    ),
    Mutation(
        "waste that overlaps counts once",
        "models/intermediate/insights/int_session_insight_time.sql",
        "round(total.waste_sec) as waste_sec",
        "round({{ seconds_covered('total.cheating_ranges') }}) as waste_sec",
    ),
    Mutation(
        "each insight is rounded before the sum",
        "models/intermediate/insights/int_session_insight_time.sql",
        "sum({{ seconds_between('insight.started_at_time', 'insight.ended_at_time') }})",
        "sum(round({{ seconds_between('insight.started_at_time', 'insight.ended_at_time') }}))",
    ),
    Mutation(
        "a session without a second of it has a row",
        "models/intermediate/insights/int_session_waste.sql",
        "where waste_sec > 0",
        "where waste_sec >= 0",
    ),
    Mutation(
        "another student's insights count in a session",
        "models/intermediate/insights/int_session_insight_time.sql",
        "        and insight.student_id = session_student.student_id\n",
        "",
    ),
    Mutation(
        "what is written for staff is a recommendation to the student",
        "models/intermediate/insights/int_student_recommendation.sql",
        "\nwhere visibility = 'student'",
        "",
    ),
    Mutation(
        "every insight is a journal",
        "models/intermediate/insights/int_student_journal.sql",
        "\nwhere slug = 'Journal'",
        "",
    ),
]

# -- what ROAR's documents become -------------------------------------------------------------------

_ROAR = [
    Mutation(
        "ROAR: a school that a user has left still sees the user",
        ROAR_COLLECTIONS,
        "    || person.current_school_ids\n",
        "    || person.all_school_ids\n",
        (ROAR,),
        ROAR_MODELS,
    ),
    Mutation(
        "ROAR: the runs of guests are seen by those who see a user of that id",
        "models/datasets/roar/roar_guest_runs.sql",
        "people='roar_guest'",
        "people='roar_user'",
        (ROAR,),
    ),
    Mutation(
        "ROAR: a deleted user is seen by those who see a user of that id",
        "models/datasets/roar/roar_deleted_users.sql",
        "people='roar_deleted_user'",
        "people='roar_user'",
        (ROAR,),
    ),
    Mutation(
        "ROAR: deleted users are those that are still there",
        ROAR_COLLECTIONS,
        "{'collections': ['deleted-users'],",
        "{'collections': ['users'],",
        (ROAR,),
        ROAR_MODELS,
    ),
    Mutation(
        "ROAR: a number with a fraction is rounded to an integer",
        ROAR_TYPES,
        "when ({{ value }})::numeric = trunc(({{ value }})::numeric) then ({{ value }})::numeric::integer",
        "when true then ({{ value }})::numeric::integer",
        (ROAR,),
        ROAR_MODELS,
    ),
    Mutation(
        "ROAR: a moment without an offset is in the session's time zone",
        ROAR_TYPES,
        "                            else 'Z'\n",
        "                            else ''\n",
        (ROAR,),
        ROAR_MODELS,
    ),
    Mutation(
        "ROAR: of a variant's two documents the older counts",
        "models/intermediate/roar/int_roar_variant.sql",
        "variant.update_time desc",
        "variant.update_time",
        (ROAR,),
    ),
    Mutation(
        "ROAR: a run counts every answer as correct",
        ROAR_RUN_COUNTS,
        "count(*) filter (where correct = 1) as correct_trials",
        "count(*) as correct_trials",
        (ROAR,),
        "stg_roar_document",
    ),
    Mutation(
        "ROAR: the trials of guests and of users count as one person's",
        ROAR_RUN_COUNTS,
        "            '{{ kind }}s/' || {{ kind }}_id || '/runs/' || run_id as run_path,\n",
        "            'users/' || {{ kind }}_id || '/runs/' || run_id as run_path,\n",
        (ROAR,),
        "stg_roar_document",
    ),
    Mutation(
        "ROAR: an array with elements of another type is no wrong type",
        "tests/source_roar_wrong_types.sql",
        "            {%- if type == 'text[]' %}\n",
        "            {%- if false %}\n",
        (ROAR,),
        "stg_roar_document",
    ),
    Mutation(
        "ROAR: a document with a malformed path is passed over",
        "tests/source_roar_document_in_no_dataset.sql",
        "    or collection is null\n",
        "",
        (ROAR,),
        "stg_roar_document",
    ),
]

# -- what is said of it -----------------------------------------------------------------------------

_CONTRACTS = [
    Mutation(
        "a documented origin is not where the column comes from",
        "models/datasets/people/students.yml",
        "origin: [one_roster_user.email]",
        "origin: [one_roster_user.username]",
        (LINEAGE,),
    ),
    Mutation(
        "a dataset reads the operational table",
        "models/datasets/apps/learning_apps.sql",
        "    learning_app_id as id,\n    name\nfrom {{ ref('stg_lti_application') }}",
        "    id,\n    name\nfrom {{ source('operational', 'lti_application') }}",
        (LINEAGE,),
    ),
    Mutation(
        "a dataset selects a star",
        "models/datasets/curriculum/case_subjects.sql",
        "    subject_id as id,\n    title,\n    hierarchy_code,\n    description\n",
        "    renamed.*\n",
        (LINEAGE, CONTRACTS),
    ),
    Mutation(
        "an id is text in one place",
        "models/datasets/apps/learning_apps.sql",
        "    learning_app_id as id,\n",
        "    learning_app_id::text as id,\n",
        (CONTRACTS,),
    ),
    Mutation(
        "a column is said to be null at times that never is",
        "models/datasets/curriculum/grades.yml",
        """        constraints: [{type: not_null}]
        data_tests: [not_null, unique]
        config:
          meta:
            origin: [placement_grade.order_number]
""",
        """        data_tests: [unique]
        config:
          meta:
            origin: [placement_grade.order_number]
""",
        (CONTRACTS,),
    ),
    Mutation(
        "a grain is not tested",
        "models/datasets/activity/attempts.yml",
        "            columns: [student_id, resource_id]\n",
        "            columns: [student_id, resource_id, session_id]\n",
        (CONTRACTS,),
    ),
    Mutation(
        "an array of organizations is not tested to be in order",
        "models/datasets/activity/sessions.yml",
        "        data_tests: [not_null, sorted_distinct_array]\n",
        "        data_tests: [not_null]\n",
        (COVERAGE,),
    ),
    Mutation(
        "timeback check: what could not be checked is no failure",
        CHECKPOINT,
        "return not self.passed and (self.error is not None or not self.rule.is_warning)",
        "return not self.passed and self.error is None and not self.rule.is_warning",
        (CHECK,),
    ),
    Mutation(
        "timeback check: a warning fails it",
        CHECKPOINT,
        "return not self.passed and (self.error is not None or not self.rule.is_warning)",
        "return not self.passed",
        (CHECK,),
    ),
    Mutation(
        "timeback check: its sessions may write",
        CHECKPOINT,
        '            "default_transaction_read_only": "on",\n',
        "",
        (CHECK,),
    ),
    Mutation(
        "timeback check: a model of the scope counts as one that a dataset scopes",
        "src/timeback_analytics/catalog/manifest.py",
        'return [model for model in read if not model["config"]["meta"].get("decides_scope")]',
        "return list(read)",
        (LINEAGE,),
    ),
    Mutation(
        "timeback check: two rows of one key are unique",
        "src/timeback_analytics/promises.py",
        "group by {names} having count(*) > 1",
        "group by {names} having count(*) > 2",
        (CHECK,),
    ),
]

_STORED = [
    Mutation(
        "refresh: partitions are none of the table",
        "macros/stored/last_refresh.sql",
        "inner join pg_catalog.pg_inherits on part.relation = pg_inherits.inhparent",
        "inner join pg_catalog.pg_inherits on part.relation = pg_inherits.inhparent and false",
        (STORED,),
    ),
    Mutation(
        "refresh: rows that are gone are not looked for",
        CHANGED_ROWS,
        "if lost <> 0 then",
        "if lost < 0 then",
        (STORED,),
    ),
    Mutation(
        "refresh: a single row that is gone is not looked for",
        CHANGED_ROWS,
        "if lost <> 0 then",
        "if lost > 1 then",
        (STORED,),
    ),
    Mutation(
        "refresh: the horizon leaves out transactions that are still open",
        "macros/stored/refresh_stored_rows.sql",
        "pg_snapshot_xmin(pg_current_snapshot())",
        "pg_snapshot_xmax(pg_current_snapshot())",
        (STORED,),
    ),
    Mutation(
        "refresh: rows of open transactions are not noted",
        "macros/stored/last_refresh.sql",
        "    from refresh_key\n    where is_unsettled;",
        "    from refresh_key\n    where false;",
        (STORED,),
    ),
    Mutation(
        "refresh: refreshes that read a replication slot still count",
        "macros/stored/create_refresh_state.sql",
        "delete from {{ internal_schema() }}.refresh_state where feed is not null;",
        "null;",
        (STORED,),
    ),
]

_AROUND = [
    Mutation(
        "dbt's sessions resolve names as the role or the profile says",
        "src/timeback_analytics/dbt_sessions.py",
        '    ("search_path", SEARCH_PATH),\n',
        "",
        (PATH,),
    ),
    Mutation(
        "a run takes a path that somebody else may write to",
        "macros/deploy/check_search_path.sql",
        "{%- if found -%}",
        "{%- if false -%}",
        (PATH,),
    ),
    Mutation(
        "a view that reads what was renamed is current",
        "macros/deploy/deployed_view.sql",
        "and deployed_view.reads = {{ internal_schema() }}.reads_of_view(pg_class.oid),",
        "and true,",
        (MOVED,),
    ),
    Mutation(
        "columns that have changed places are the same",
        "macros/deploy/reads_of_view.sql",
        'order by listed.refclassid, listed.object_name collate "C", listed.refobjsubid',
        "order by listed.name",
        (MOVED,),
    ),
    Mutation(
        "timestamps are subtracted, however far apart",
        "macros/whole_seconds.sql",
        "extract(epoch from {{ ended_at }}) - extract(epoch from {{ started_at }})",
        "extract(epoch from {{ ended_at }} - {{ started_at }})",
        (EXTREMES,),
    ),
    Mutation(
        "an end that is not finite has a duration",
        "macros/whole_seconds.sql",
        "when isfinite({{ started_at }}) and isfinite({{ ended_at }})",
        "when true",
        (EXTREMES,),
    ),
    Mutation(
        "a number may have as many digits as it likes",
        "macros/within_range.sql",
        "case when abs({{ number }}) < 1e100 then {{ number }} else {{ number }} * 'Infinity' end",
        "{{ number }}",
        (EXTREMES,),
    ),
    Mutation(
        "the job locks what a stranger owns",
        "src/timeback_analytics/job/lock.py",
        "        if owners:\n",
        "        if owners and False:\n",
        (JOB,),
    ),
    Mutation(
        "whoever holds the job's lock runs a job",
        "src/timeback_analytics/job/lock.py",
        "if application is not None and not application.startswith(APPLICATION):",
        "if False:",
        (JOB,),
    ),
    Mutation(
        "the lock's session ends as the role's timeouts say",
        "src/timeback_analytics/job/lock.py",
        "self._timeouts = _take_off_timeouts(conn)",
        "self._timeouts = {}",
        (JOB,),
    ),
    Mutation(
        "rights that no binding narrows are not looked for",
        CATALOG_LINT,
        "else conn.execute(query_for(schema)).fetchall()",
        "else []",
        (LINT,),
    ),
    Mutation(
        "an error shows the whole of a bad element",
        SETTING_PARSER,
        "left({{ text }}, 100) ||",
        "{{ text }} ||",
        (ROAR,),
    ),
]
"""What lies around the views: the path of a deploy, moved tables, extremes, the lock of the job, rights."""

MUTATIONS = [*_SCOPE, *_RIGHTS, *_AROUND, *_ROWS, *_INSIGHTS, *_ROAR, *_STORED, *_CONTRACTS]
