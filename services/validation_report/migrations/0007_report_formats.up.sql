-- Reports come as PDF, workbook, JSON and exact CSV too.
ALTER TABLE report DROP CONSTRAINT report_format_check,
  ADD CONSTRAINT report_format_check
    CHECK (format IN ('HTML', 'CSV', 'PDF', 'XLSX', 'JSON', 'CSV_EXACT'));
