-- A bit of everything on MariaDB: made for the test of `bandstand inspectdb`.
CREATE TABLE country (code varchar(2) COLLATE utf8mb4_bin PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, `type` varchar(10) DEFAULT 'it''s');
CREATE TABLE counted (id int unsigned AUTO_INCREMENT PRIMARY KEY, n smallint NOT NULL DEFAULT -3, big bigint unsigned);
CREATE TABLE person (
    id int AUTO_INCREMENT PRIMARY KEY,
    home varchar(2) COLLATE utf8mb4_bin NOT NULL REFERENCES country (code) ON DELETE RESTRICT,
    work varchar(2) COLLATE utf8mb4_bin REFERENCES country (code) ON DELETE SET NULL,
    passport int unsigned UNIQUE REFERENCES counted (id) ON DELETE CASCADE,
    boss int REFERENCES person (id),
    KEY by_two (home, boss), KEY by_start (work(1))
);
CREATE TABLE between_two (
    person int REFERENCES person (id), country varchar(2) COLLATE utf8mb4_bin REFERENCES country (code), PRIMARY KEY (person, country)
);
CREATE TABLE kinds (
    id binary(16) PRIMARY KEY,
    price decimal(10, 2) DEFAULT 1.50, huge decimal(40, 2), ratio float, exact double DEFAULT 0.5, flag boolean DEFAULT true, tiny tinyint,
    day date, at_time time(6), moment datetime(6) DEFAULT current_timestamp(6), stamp timestamp NULL, doc json, raw longblob,
    words mediumtext, feeling enum('sad', 'happy'), born year, twice int AS (tiny * 2) STORED
);
CREATE TABLE keyless (a text);
CREATE VIEW people AS SELECT * FROM person;
