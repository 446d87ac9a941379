DROP TABLE command_arrival;
