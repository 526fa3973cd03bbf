DROP TABLE calendar_conflicts;
DROP TABLE blocked_times;
