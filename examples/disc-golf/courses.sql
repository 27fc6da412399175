-- A disc golf club's courses, which pgmon's role (see README.md) may read. Run it in each of the two databases, as a
-- superuser.
CREATE TABLE courses (
    id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL UNIQUE,
    location text NOT NULL,
    hole_count int NOT NULL CHECK (hole_count > 0)
);
INSERT INTO courses (name, location, hole_count) VALUES
    ('Pier Park', 'Portland, OR', 18),
    ('Milo McIver', 'Estacada, OR', 27),
    ('Blue Lake', 'Fairview, OR', 18);
GRANT SELECT ON courses TO pgmon;
