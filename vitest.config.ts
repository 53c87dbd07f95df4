// vitest 5 looks for this name only; what it should find is in vitest.workspace.ts.
export { default } from "./vitest.workspace.ts"
