ALTER TABLE report DROP CONSTRAINT report_format_check,
  ADD CONSTRAINT report_format_check CHECK (format IN ('HTML', 'CSV')) NOT VALID;
