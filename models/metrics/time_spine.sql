-- every day that a metric may be asked for by
select days.day::date as date_day
from generate_series('2000-01-01'::timestamp, '2099-12-31'::timestamp, interval '1 day') as days (day)
