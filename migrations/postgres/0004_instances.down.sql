DROP TABLE relay;
DROP TABLE instances;
