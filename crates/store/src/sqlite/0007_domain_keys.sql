-- The keys that mail is signed with. The private one is sealed with a key that is not in here.
CREATE TABLE domain_key (
    domain       TEXT    NOT NULL REFERENCES domain (name),
    selector     TEXT    NOT NULL,
    algorithm    TEXT    NOT NULL, -- rsa, ed25519
    secret       BLOB    NOT NULL, -- PKCS #8, sealed
    public       BLOB    NOT NULL,
    state        TEXT    NOT NULL, -- pending, active, retiring
    created_at   INTEGER NOT NULL,
    activated_at INTEGER,
    retired_at   INTEGER,
    PRIMARY KEY (domain, selector)
) STRICT, WITHOUT ROWID;
