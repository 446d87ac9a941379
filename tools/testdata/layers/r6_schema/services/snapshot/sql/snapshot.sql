-- name: take
-- Not registry.event, which is only a comment.
SELECT s.id FROM snapshot.snapshot s
  JOIN dataset_read.version v ON true
  JOIN dataset.data_version d ON true
 WHERE s.title = 'workflow.x'
