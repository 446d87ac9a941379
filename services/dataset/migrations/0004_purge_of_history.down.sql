-- With the functions of dataset_read that use them; the records that were purged do not come back.
DROP FUNCTION IF EXISTS dataset_read.pin_version(text, text, text, text, text, bigint),
                        dataset_read.unpin(text, text),
                        dataset_read.version_is_kept(text, text, text, bigint);
DROP TABLE pin_holder, version_pin, version_horizon, version_mark;
