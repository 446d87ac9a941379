-- What the dataset service publishes, as plain tables: the three built-in datasets without records.
-- Tests fill them as the owner.
CREATE SCHEMA dataset_read;

CREATE TABLE dataset_read.data_version (
  copy text NOT NULL, dataset text NOT NULL, district_id text NOT NULL, version bigint NOT NULL,
  changed_at timestamptz, row_count bigint NOT NULL, PRIMARY KEY (copy, dataset, district_id));

CREATE TABLE dataset_read.dataset_definition (
  dataset text PRIMARY KEY, school_column text NOT NULL);

CREATE TABLE dataset_read.column_definition (
  dataset text NOT NULL, ordinal int NOT NULL, name text NOT NULL, type text NOT NULL,
  PRIMARY KEY (dataset, ordinal));

INSERT INTO dataset_read.dataset_definition VALUES ('enrollment', 'school_id');
INSERT INTO dataset_read.column_definition VALUES
  ('enrollment', 1, 'student_uid', 'STRING'), ('enrollment', 2, 'school_id', 'STRING'),
  ('enrollment', 3, 'entry_date', 'DATE'), ('enrollment', 4, 'school_year', 'INT64'),
  ('enrollment', 5, 'first_name', 'STRING'), ('enrollment', 6, 'middle_name', 'STRING'),
  ('enrollment', 7, 'last_name', 'STRING'), ('enrollment', 8, 'birth_date', 'DATE'),
  ('enrollment', 9, 'sex', 'CODE'), ('enrollment', 10, 'hispanic_latino', 'BOOL'),
  ('enrollment', 11, 'race', 'CODES'), ('enrollment', 12, 'grade_level', 'CODE'),
  ('enrollment', 13, 'entry_type', 'CODE'), ('enrollment', 14, 'exit_date', 'DATE'),
  ('enrollment', 15, 'exit_type', 'CODE'), ('enrollment', 16, 'enrollment_status', 'CODE'),
  ('enrollment', 17, 'fte', 'DECIMAL'), ('enrollment', 18, 'residence_lea_id', 'STRING'),
  ('enrollment', 19, 'home_language', 'STRING'), ('enrollment', 20, 'el_status', 'CODE'),
  ('enrollment', 21, 'econ_disadvantaged', 'BOOL'), ('enrollment', 22, 'homeless', 'BOOL'),
  ('enrollment', 23, 'unaccompanied_youth', 'BOOL'), ('enrollment', 24, 'diploma_type', 'CODE'),
  ('enrollment', 25, 'diploma_date', 'DATE'), ('enrollment', 26, 'calendar_track', 'STRING');
CREATE TABLE dataset_read.enrollment (
  copy text NOT NULL, district_id text NOT NULL, record_key text COLLATE "C" NOT NULL,
  valid_from bigint NOT NULL DEFAULT 1, valid_to bigint NOT NULL DEFAULT 9223372036854775807,
  row_hash bytea NOT NULL DEFAULT '',
  "student_uid" text, "school_id" text, "entry_date" date, "school_year" bigint,
  "first_name" text, "middle_name" text, "last_name" text, "birth_date" date, "sex" text,
  "hispanic_latino" boolean, "race" text, "grade_level" text, "entry_type" text,
  "exit_date" date, "exit_type" text, "enrollment_status" text, "fte" numeric(3,2),
  "residence_lea_id" text, "home_language" text, "el_status" text, "econ_disadvantaged" boolean,
  "homeless" boolean, "unaccompanied_youth" boolean, "diploma_type" text, "diploma_date" date,
  "calendar_track" text,
  PRIMARY KEY (copy, district_id, record_key, valid_from));

INSERT INTO dataset_read.dataset_definition VALUES ('attendance_summary', 'school_id');
INSERT INTO dataset_read.column_definition VALUES
  ('attendance_summary', 1, 'student_uid', 'STRING'),
  ('attendance_summary', 2, 'school_id', 'STRING'),
  ('attendance_summary', 3, 'calendar_track', 'STRING'),
  ('attendance_summary', 4, 'reporting_period', 'INT64'),
  ('attendance_summary', 5, 'school_year', 'INT64'),
  ('attendance_summary', 6, 'grade_level', 'CODE'),
  ('attendance_summary', 7, 'days_expected', 'DECIMAL'),
  ('attendance_summary', 8, 'days_present', 'DECIMAL'),
  ('attendance_summary', 9, 'days_present_iss', 'DECIMAL'),
  ('attendance_summary', 10, 'days_absent_excused', 'DECIMAL'),
  ('attendance_summary', 11, 'days_absent_unexcused', 'DECIMAL'),
  ('attendance_summary', 12, 'days_absent_oss', 'DECIMAL'),
  ('attendance_summary', 13, 'days_independent_study', 'DECIMAL'),
  ('attendance_summary', 14, 'tardies', 'INT64'),
  ('attendance_summary', 15, 'chronic_absent', 'BOOL'),
  ('attendance_summary', 16, 'exemption_reason', 'CODE');
CREATE TABLE dataset_read.attendance_summary (
  copy text NOT NULL, district_id text NOT NULL, record_key text COLLATE "C" NOT NULL,
  valid_from bigint NOT NULL DEFAULT 1, valid_to bigint NOT NULL DEFAULT 9223372036854775807,
  row_hash bytea NOT NULL DEFAULT '',
  "student_uid" text, "school_id" text, "calendar_track" text, "reporting_period" bigint,
  "school_year" bigint, "grade_level" text, "days_expected" numeric(5,1),
  "days_present" numeric(5,1), "days_present_iss" numeric(5,1),
  "days_absent_excused" numeric(5,1), "days_absent_unexcused" numeric(5,1),
  "days_absent_oss" numeric(5,1), "days_independent_study" numeric(5,1), "tardies" bigint,
  "chronic_absent" boolean, "exemption_reason" text,
  PRIMARY KEY (copy, district_id, record_key, valid_from));

INSERT INTO dataset_read.dataset_definition VALUES ('attendance_event', 'school_id');
INSERT INTO dataset_read.column_definition VALUES
  ('attendance_event', 1, 'student_uid', 'STRING'),
  ('attendance_event', 2, 'school_id', 'STRING'), ('attendance_event', 3, 'event_date', 'DATE'),
  ('attendance_event', 4, 'category', 'CODE'), ('attendance_event', 5, 'event_type', 'CODE'),
  ('attendance_event', 6, 'reason', 'STRING'),
  ('attendance_event', 7, 'duration_days', 'DECIMAL'),
  ('attendance_event', 8, 'session', 'STRING'), ('attendance_event', 9, 'school_year', 'INT64');
CREATE TABLE dataset_read.attendance_event (
  copy text NOT NULL, district_id text NOT NULL, record_key text COLLATE "C" NOT NULL,
  valid_from bigint NOT NULL DEFAULT 1, valid_to bigint NOT NULL DEFAULT 9223372036854775807,
  row_hash bytea NOT NULL DEFAULT '',
  "student_uid" text, "school_id" text, "event_date" date, "category" text, "event_type" text,
  "reason" text, "duration_days" numeric(3,2), "session" text, "school_year" bigint,
  PRIMARY KEY (copy, district_id, record_key, valid_from));

GRANT USAGE ON SCHEMA dataset_read TO validation, rule_exec;
GRANT SELECT ON ALL TABLES IN SCHEMA dataset_read TO validation, rule_exec;
