// The two forms of GELU, and how gelu.wgsl calls them.

/** x * Phi(x), or its tanh approximation. */
export type GeluForm = "erf" | "tanh";

/** The constant that gelu.wgsl knows each form by. */
export const geluNames: Readonly<Record<GeluForm, string>> = { erf: "GELU_ERF", tanh: "GELU_TANH" };

/** That constant's value. */
export const geluForms: Readonly<Record<GeluForm, number>> = { erf: 1, tanh: 2 };
