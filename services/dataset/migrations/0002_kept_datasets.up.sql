-- Datasets whose records the service keeps itself, and the day of a record's codes.
ALTER TABLE definition
  ADD COLUMN keeper text NOT NULL DEFAULT 'SOURCE' CHECK (
    keeper IN ('SOURCE', 'SERVICE_BY_DISTRICT', 'SERVICE_FOR_ALL'));

ALTER TABLE definition_column ADD COLUMN date_column text NOT NULL DEFAULT '';
