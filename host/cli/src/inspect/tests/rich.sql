-- A bit of everything that people make: made for the test of `bandstand inspectdb`.

CREATE TABLE Country (
    code CHAR(2) NOT NULL PRIMARY KEY,
    name NVARCHAR(80) NOT NULL UNIQUE,
    "type" VARCHAR(10) DEFAULT 'state',
    population BIGINT,
    area DOUBLE PRECISION DEFAULT 0
);
INSERT INTO Country (code, name) VALUES ('de', 'Germany');

-- Names that are Rust's, or that no field can have.
CREATE TABLE words (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    "self" TEXT NOT NULL,
    "match" INTEGER NOT NULL DEFAULT -3,
    "2nd" TEXT,
    "pk" TEXT,
    "at" TEXT,
    "first name" TEXT NOT NULL,
    "Straße" TEXT,
    FirstName TEXT,
    first_name TEXT,
    an_extraordinarily_long_column_name_of_someones TEXT
);

-- Two relations to the same table, one to itself, a one-to-one.
CREATE TABLE person (
    PersonId INTEGER PRIMARY KEY,
    email VARCHAR(254) NOT NULL UNIQUE,
    home_country CHAR(2) NOT NULL REFERENCES country (code) ON DELETE RESTRICT,
    work_country_id CHAR(2) REFERENCES country ON DELETE SET NULL,
    BossId INTEGER NOT NULL REFERENCES person (personid) ON DELETE SET NULL,
    active BOOLEAN NOT NULL DEFAULT 1,
    likes TEXT CHECK (likes <> 'nothing')
);
CREATE INDEX person_by_likes ON person (likes);
CREATE INDEX person_by_two ON person (home_country, email DESC);
CREATE UNIQUE INDEX person_half ON person (likes) WHERE active;
CREATE INDEX person_lower ON person (lower(email));
CREATE TABLE passport (
    person_id INTEGER NOT NULL PRIMARY KEY REFERENCES person ON DELETE CASCADE,
    number TEXT NOT NULL,
    UNIQUE (number, person_id)
);
CREATE TABLE person_note (
    id INTEGER PRIMARY KEY,
    person INTEGER UNIQUE REFERENCES person,
    nobody INTEGER REFERENCES missing,
    by_mail TEXT REFERENCES person (email)
);

-- Tables between two others.
CREATE TABLE tag (id INTEGER PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE person_tag (
    person_id INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    tag_id INTEGER NOT NULL REFERENCES tag ON DELETE CASCADE,
    PRIMARY KEY (person_id, tag_id)
) WITHOUT ROWID;
CREATE TABLE visit (
    country CHAR(2) NOT NULL REFERENCES country,
    person INTEGER NOT NULL REFERENCES person,
    day DATE NOT NULL,
    PRIMARY KEY (country, person, day)
);
CREATE TABLE visit_photo (
    id INTEGER PRIMARY KEY,
    country CHAR(2), person INTEGER, day DATE,
    FOREIGN KEY (country, person, day) REFERENCES visit
);

-- Every type, once with values as a field stores them, once with others.
CREATE TABLE stored (
    id INTEGER PRIMARY KEY, price NUMERIC(10,2), day DATE, at_time TIME, moment DATETIME, made TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    flag BOOL, uid UUID, doc JSON, raw BLOB, words CLOB, whole DECIMAL(5), odd MONEY, none
);
INSERT INTO stored VALUES (1, 99, 19000, 3600000000, 1700000000000000, 1700000000000000, 1, zeroblob(16), '{}', x'00', 'a', 7, 5, 'x');
CREATE TABLE foreigner (
    id INTEGER PRIMARY KEY, price NUMERIC(10,2), day DATE, at_time TIME, moment DATETIME, flag BOOL, uid UUID, doc JSON, raw BLOB,
    count INTEGER, ratio REAL, label VARCHAR(20), odd MONEY, none
);
INSERT INTO foreigner VALUES (1, 0.99, '2020-02-29', '10:00', '2020-02-29 10:00:00', 'yes', 'c0ffee00-0000-0000-0000-000000000000', x'00', 'text', 'many', 'few', x'00', 1.5, NULL),
    (2, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1.5, 'x', 'five', 5);
CREATE TABLE empty (id INTEGER PRIMARY KEY, price DECIMAL(30, 2), cheap DECIMAL(6,2), day DATE, odd MONEY, none);

-- Strict, computed, without a key, with a set in its place, with a key of a kind that no key has.
CREATE TABLE exact (id INT PRIMARY KEY, n INT NOT NULL, s TEXT NOT NULL DEFAULT 'it''s "so"', b BLOB, x ANY) STRICT;
CREATE TABLE computed (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, twice INTEGER AS (n * 2), thrice INTEGER AS (n * 3) STORED);
CREATE TABLE circle_a (id INTEGER PRIMARY KEY REFERENCES circle_b);
CREATE TABLE circle_b (id INTEGER PRIMARY KEY REFERENCES circle_a);
CREATE TABLE pg_like (id INTEGER PRIMARY KEY);
CREATE TABLE keyless (a TEXT, b TEXT);
CREATE TABLE keyed_by_set (a INTEGER NOT NULL, b TEXT NOT NULL, UNIQUE (a, b));
CREATE TABLE floating (ratio REAL PRIMARY KEY);
CREATE TABLE on_floating (id INTEGER PRIMARY KEY, floating REAL REFERENCES floating);
CREATE TABLE "two words" (id INTEGER PRIMARY KEY);
CREATE TABLE Date (id INTEGER PRIMARY KEY, two_words INTEGER REFERENCES "two words");
CREATE VIEW people AS SELECT * FROM person;
CREATE VIRTUAL TABLE search USING fts5(body);
CREATE TABLE bandstand__app (name TEXT PRIMARY KEY, manifest TEXT NOT NULL);
