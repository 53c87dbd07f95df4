/** Postgres for Quiesce. Prefer the deep imports (`@quiesce/sql-pg/PgComponent`): the embedded server then costs nothing. */
export * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
export * as EmbeddedPostgresError from "./EmbeddedPostgresError.ts"
export * as PgComponent from "./PgComponent.ts"
export * as PgUnavailable from "./PgUnavailable.ts"
export * as TestPostgres from "./TestPostgres.ts"
