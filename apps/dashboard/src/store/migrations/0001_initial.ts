import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

export const initial = Effect.gen(function* () {
  const sql = yield* SqlClient

  // int4 keys: one run a second for 68 years, and JSON and the URL can carry them as they are.
  yield* sql`
    create table projects (
      id int generated always as identity primary key,
      name text not null constraint project_name unique,
      description text not null,
      created_at timestamptz not null default now()
    )`

  yield* sql`
    create table suites (
      id int generated always as identity primary key,
      project_id int not null references projects,
      name text not null,
      cases text[] not null,
      created_at timestamptz not null default now(),
      constraint suite_name unique (project_id, name)
    )`

  // attempt_token fences an execution: whoever has not the token of the current attempt can change nothing.
  yield* sql`
    create table runs (
      id int generated always as identity primary key,
      suite_id int not null references suites,
      label text,
      idempotency_key text,
      status text not null default 'queued' check (status in ('queued', 'running', 'passed', 'failed', 'errored')),
      attempt int not null default 0,
      attempt_token uuid,
      instance text,
      lease_until timestamptz,
      queued_at timestamptz not null default now(),
      started_at timestamptz,
      finished_at timestamptz,
      check ((status = 'running') = (lease_until is not null)),
      check ((status in ('passed', 'failed', 'errored')) = (finished_at is not null))
    )`
  yield* sql`create unique index run_idempotency on runs (suite_id, idempotency_key) where idempotency_key is not null`
  yield* sql`create index runs_of_suite on runs (suite_id, id)`
  yield* sql`create index runs_queued on runs (id) where status = 'queued'`
  yield* sql`create index runs_leased on runs (lease_until) where status = 'running'`

  yield* sql`
    create table case_results (
      run_id int not null references runs,
      position int not null,
      "case" text not null,
      passed boolean not null,
      duration int not null,
      primary key (run_id, position)
    )`

  // The account of who executed what. The database itself refuses a second completion, whatever the code does.
  yield* sql`
    create table run_events (
      id int generated always as identity primary key,
      run_id int not null references runs,
      attempt int not null,
      kind text not null check (kind in ('queued', 'started', 'put_back', 'reclaimed', 'completed')),
      instance text,
      at timestamptz not null default clock_timestamp()
    )`
  yield* sql`create index events_of_run on run_events (run_id, id)`
  yield* sql`create unique index completed_once on run_events (run_id) where kind = 'completed'`
  yield* sql`create unique index started_once on run_events (run_id, attempt) where kind = 'started'`
  yield* sql`
    create function run_events_only_grow() returns trigger language plpgsql as $$
    begin
      raise exception 'run_events only grows: % is not allowed', lower(tg_op);
    end $$`
  yield* sql`
    create trigger run_events_only_grow before update or delete or truncate on run_events
    for each statement execute function run_events_only_grow()`
})
