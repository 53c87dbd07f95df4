export * as Control from "./Control.ts"
export * as Supervisor from "./Supervisor.ts"
export { SupervisorError } from "./SupervisorError.ts"
