-- What servers of one service share. Times are the database's.

-- Who may act, until when. A fence is higher than all that were given before it: whoever comes
-- with an older one has been taken for dead.
create sequence secc_fences;
create table secc_leases (
    resource text primary key,
    holder   text not null,
    fence    bigint not null,
    until    timestamptz not null
);

-- What clients have used of their budgets, by the twenty-fourth of a window.
create table secc_spent (
    client   text not null,
    at       timestamptz not null,
    sessions bigint not null,
    bytes    bigint not null,
    primary key (client, at)
);

-- Sessions that run, of clients that may have so many at once. They count as long as their
-- server's lease holds.
create table secc_running (
    session  text primary key,
    client   text not null,
    resource text not null
);
create index secc_running_of on secc_running (client);

-- Prepared runs that somebody has taken. Nobody takes them again.
create table secc_burned (
    session bytea not null,
    number  bigint not null,
    fence   bigint not null,
    at      timestamptz not null default clock_timestamp(),
    primary key (session, number)
);

-- The audit: lines of JSON, each with the hash of the one before it.
create table secc_audit (
    number bigint primary key,
    line   text not null
);
