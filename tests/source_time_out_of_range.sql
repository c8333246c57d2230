{{ config(severity='warn', group='catalog') }}
with counted (table_name, column_name, row_count) as (
    {{ count_times_out_of_range() }}
)

select
    table_name,
    column_name,
    row_count
from counted
where row_count > 0
