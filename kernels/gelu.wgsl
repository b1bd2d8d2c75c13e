// gelu.wgsl: functions only, put in front of the kernels that apply or differentiate GELU.
//   exact  x * Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2;   derivative Phi(x) + x * phi(x)
//   tanh   x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
// Shapes    one vec4f at a time
// Dispatch  none
// Numerics  erf by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7); WGSL has no erf
// Source    Hendrycks, Gimpel 2016; "gelu" and "gelu_new" of transformers' activations.py
const GELU_NONE = 0u;
const GELU_ERF = 1u;
const GELU_TANH = 2u;

fn erf4(x: vec4f) -> vec4f {
  let z = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-z * z));
}

// tanh by exp of a negative number, which cannot overflow.
fn tanh4(x: vec4f) -> vec4f {
  let e = exp(-2.0 * abs(x));
  return sign(x) * (1.0 - e) / (1.0 + e);
}

fn gelu(form: u32, x: vec4f) -> vec4f {
  if (form == GELU_ERF) { return 0.5 * x * (1.0 + erf4(x * 0.70710678)); }
  if (form == GELU_TANH) { return 0.5 * x * (1.0 + tanh4(0.79788456 * (x + 0.044715 * x * x * x))); }
  return x;
}

fn gelu_derivative(form: u32, x: vec4f) -> vec4f {
  if (form == GELU_ERF) {
    return 0.5 * (1.0 + erf4(x * 0.70710678)) + x * 0.39894228 * exp(-0.5 * x * x);
  }
  if (form == GELU_TANH) {
    let t = tanh4(0.79788456 * (x + 0.044715 * x * x * x));
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.79788456 * (1.0 + 0.134145 * x * x);
  }
  return vec4f(1.0);
}
