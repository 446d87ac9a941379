DROP TABLE background_count, background_run;
