DROP TABLE resync_count, resync, sync_issue, batch, data_version, known_organization, code,
           definition_column, definition;
