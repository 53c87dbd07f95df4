export * as HealthProbes from "./HealthProbes.ts"
export * as HttpDrain from "./HttpDrain.ts"
export * as HttpRefusal from "./HttpRefusal.ts"
export { ListenError } from "./ListenError.ts"
