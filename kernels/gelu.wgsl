// gelu.wgsl: functions only, put in front of the kernels that apply or differentiate GELU.
//   exact  x * Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2;   derivative Phi(x) + x * exp(-x^2 / 2) / sqrt(2 pi)
//   tanh   x / 2 * (1 + tanh(u)) = x * sigmoid(2 u),  u = sqrt(2 / pi) * (x + 0.044715 x^3)
// Shapes    one vec4f at a time
// Dispatch  none
// Numerics  Phi by Abramowitz and Stegun 26.2.17, its constants over sqrt(2 pi) (absolute error 7.5e-8); WGSL has no erf
// Source    Hendrycks, Gimpel 2016; "gelu" and "gelu_new" of transformers' activations.py
const GELU_NONE = 0u;
const GELU_ERF = 1u;
const GELU_TANH = 2u;

// exp(-x^2 / 2), which Phi and its derivative share.
fn bell4(x: vec4f) -> vec4f { return exp(-0.5 * x * x); }

// Phi(x) where bell = bell4(x); the tail is computed, so that small values keep their digits.
fn phi4(x: vec4f, bell: vec4f) -> vec4f {
  let t = 1.0 / (1.0 + 0.23164190 * abs(x));
  let tail = bell * t * (0.127414796 + t * (-0.142248368 + t * (0.710706871 + t * (-0.726576014 + t * 0.530702715))));
  return select(1.0 - tail, tail, x < vec4f());
}

// By exp of a negative number, which cannot overflow.
fn sigmoid4(z: vec4f) -> vec4f {
  let e = exp(-abs(z));
  return select(vec4f(1.0), e, z < vec4f()) / (1.0 + e);
}

// As sigmoid4.
fn tanh4(x: vec4f) -> vec4f {
  let e = exp(-2.0 * abs(x));
  return sign(x) * (1.0 - e) / (1.0 + e);
}

fn gelu(form: u32, x: vec4f) -> vec4f {
  if (form == GELU_ERF) { return x * phi4(x, bell4(x)); }
  if (form == GELU_TANH) { return x * sigmoid4(x * (1.59576912 + 0.0713548163 * x * x)); }
  return x;
}

fn gelu_derivative(form: u32, x: vec4f) -> vec4f {
  if (form == GELU_ERF) {
    let bell = bell4(x);
    return phi4(x, bell) + 0.39894228 * x * bell;
  }
  if (form == GELU_TANH) {
    let s = sigmoid4(x * (1.59576912 + 0.0713548163 * x * x));
    return s + x * s * (1.0 - s) * (1.59576912 + 0.214064449 * x * x);
  }
  return vec4f(1.0);
}
