{#-
    Stops a run of a project that has this one among its packages. dbt would make our views with its own
    materialization, which leaves out the security barrier: a reader's predicate then sees rows of people outside
    the reader's organizations. The hooks, settings and target of this project do not come along either.
-#}
{% macro stop_in_another_project() %}
    {%- if project_name != 'timeback_analytics' -%}
        {%- do exceptions.raise_compiler_error(
            "timeback_analytics is not a package: as one, its views would be made without their security barriers, and readers "
            ~ "could see people of other organizations. Nothing was made.\nDeploy it on its own, from its own folder, and let "
            ~ "this project read the published views as sources: `timeback consumer FOLDER`, run in the project's environment, "
            ~ "writes them, with keys and tests, into a dbt project (docs/consumers.md). Then take timeback_analytics out of "
            ~ "packages.yml and run `dbt deps`."
        ) -%}
    {%- endif -%}
{% endmacro %}
