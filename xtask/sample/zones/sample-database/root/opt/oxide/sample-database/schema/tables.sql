create table sample (name text primary key, value integer not null);
