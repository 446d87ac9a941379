DROP TABLE explained_finding, explanation;
