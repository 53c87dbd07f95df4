/**
 * A driver connection in the shape that `SqlClient` uses, which notes its last statement on its lease.
 */
import type * as Pg from "@effect/sql-pg/PgConnection"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { Connection, Row } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Lease } from "./leases.ts"

type Parameters = ReadonlyArray<unknown>
type Rows = ReadonlyArray<Row>
type Transform = (<A extends object>(row: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

export class Session implements Connection {
  readonly #connection: Pg.PgConnection
  readonly #lease: Lease

  constructor(connection: Pg.PgConnection, lease: Lease) {
    this.#connection = connection
    this.#lease = lease
  }

  #query(sql: string, params: Parameters, transform: Transform, prepare: boolean): Effect.Effect<Rows, SqlError> {
    this.#lease.statement = sql
    const query = this.#connection.query(sql, params, prepare)
    return Effect.map(query, ({ rows }) => (transform === undefined ? rows : transform(rows)))
  }

  execute(sql: string, params: Parameters, transform: Transform): Effect.Effect<Rows, SqlError> {
    return this.#query(sql, params, transform, true)
  }

  executeUnprepared(sql: string, params: Parameters, transform: Transform): Effect.Effect<Rows, SqlError> {
    return this.#query(sql, params, transform, false)
  }

  executeRaw(sql: string, params: Parameters): Effect.Effect<Pg.Result, SqlError> {
    this.#lease.statement = sql
    return this.#connection.query(sql, params)
  }

  executeValues(sql: string, params: Parameters): Effect.Effect<ReadonlyArray<Parameters>, SqlError> {
    this.#lease.statement = sql
    return this.#connection.queryValues(sql, params)
  }

  executeValuesUnprepared(sql: string, params: Parameters): Effect.Effect<ReadonlyArray<Parameters>, SqlError> {
    this.#lease.statement = sql
    return this.#connection.queryValues(sql, params, false)
  }

  executeStream(sql: string, params: Parameters, transform: Transform): Stream.Stream<Row, SqlError> {
    this.#lease.statement = sql
    const rows = this.#connection.stream(sql, params)
    if (transform === undefined) return rows
    return Stream.mapArray(rows, (chunk) => transform(chunk) as NonEmptyReadonlyArray<Row>)
  }
}
