-- Receipts, until clients have fetched them: from whichever server they ask.
create table secc_receipts (
    session text primary key,
    client  text not null,
    body    text not null,
    at      timestamptz not null default clock_timestamp()
);
create index secc_receipts_at on secc_receipts (at);
