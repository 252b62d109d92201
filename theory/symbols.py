r"""Every symbol once: its name, its LaTeX, its domain, its meaning.

The only module of this wing that imports sympy when it is imported. ``GLOSSARY`` maps each symbol
to its ``Term``; the symbols themselves are the names below.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Term:
    """A symbol in words; ``between`` are numbers of its domain, where equalities are tried."""

    latex: str
    domain: str
    meaning: str
    between: tuple[int, int] = (1, 2)


GLOSSARY: dict[sp.Basic, Term] = {}


def _entered(symbol: sp.Basic, term: Term) -> sp.Basic:
    GLOSSARY[symbol] = term
    return symbol


def _real(
    name: str, latex: str, domain: str, meaning: str, between: tuple[int, int] = (-1, 1)
) -> sp.Symbol:
    return _entered(sp.Symbol(name, real=True), Term(latex, domain, meaning, between))


def _positive(
    name: str, latex: str, domain: str, meaning: str, between: tuple[int, int] = (1, 2)
) -> sp.Symbol:
    return _entered(sp.Symbol(name, positive=True), Term(latex, domain, meaning, between))


def _whole(
    name: str, latex: str, domain: str, meaning: str, between: tuple[int, int] = (1, 9)
) -> sp.Symbol:
    symbol = sp.Symbol(name, integer=True, positive=True)
    return _entered(symbol, Term(latex, domain, meaning, between))


def _letter(name: str, latex: str, domain: str, meaning: str) -> sp.Symbol:
    """A letter of the algebra of matrices over the samples: letters do not commute."""
    return _entered(sp.Symbol(name, commutative=False), Term(latex, domain, meaning))


def _function(name: str, latex: str, domain: str, meaning: str) -> sp.Basic:
    return _entered(sp.Function(name), Term(latex, domain, meaning))


def _array(name: str, latex: str, domain: str, meaning: str) -> sp.IndexedBase:
    return sp.IndexedBase(_real(name, latex, domain, meaning))


# Sizes
N = _whole("N", "N", "2, 3, ...", "number of samples", between=(6, 12))
B = _whole("B", "B", "4, 5, ...", "samples that share their batch statistics", between=(6, 12))
share = _positive("share", "N^{-1}", "0..1", "1/N where N grows", between=(0, 1))
M = _whole("M", "M", "1, 2, ...", "width")
M_above = _whole("M_above", "M'", "1, 2, ...", "width of the layer above")
L = _whole("L", "L", "2, 3, ...", "depth: number of layers of weights")
C = _whole("C", "C", "1, 2, ...", "number of outputs")
P = _whole("P", "P", "1, 2, ...", "number of parameters", between=(100, 999))
alpha = _positive("alpha", r"\alpha", "> 0", "number of hidden weights over M^2")
rho = _positive("rho", r"\rho", "> 0", "M/N, where samples grow with the width")

# Layers
sigma_w2 = _positive("sigma_w2", r"\sigma_w^2", "> 0", "variance of a weight, times its fan-in")
sigma_b2 = _positive("sigma_b2", r"\sigma_b^2", ">= 0", "variance of a bias")
q1 = _positive("q1", "q_1", "> 0", "variance of a pre-activation", between=(2, 4))
q2 = _real("q2", "q_2", "|q_2| <= q_1", "covariance of a pre-activation over two samples")
q3 = _real("q3", "q_3", "|q_3| <= q_1", "covariance of a pre-activation over two batches")
qh1 = _positive("qh1", r"\hat q_1", "> 0", "second moment of an activation", between=(2, 4))
qh2 = _real("qh2", r"\hat q_2", "|qh_2| <= qh_1", "moment of an activation over two samples")
qh3 = _real("qh3", r"\hat q_3", "|qh_3| <= qh_1", "moment of an activation over two batches")
f1 = _positive("f1", "f_1", "> 0", "E phi'(u)^2", between=(2, 4))
f2 = _real("f2", "f_2", "|f_2| <= f_1", "E phi'(u) phi'(v) over two samples")
f3 = _real("f3", "f_3", "|f_3| <= f_1", "E phi'(u) phi'(v) over two batches")
p1 = _positive("p1", "p_1", "> 0", "E uh^2 phi'^2, uh the normalized pre-activation")
p2 = _real("p2", "p_2", "|p_2| <= p_1", "the same over two samples")
T = _real("T", "T", "real", "trace of a backward matrix")
S = _real("S", "S", "real", "sum of the entries of a backward matrix")
T1 = _positive("T1", "T_1", "> 0", "T for one sample", between=(2, 4))
T2 = _real("T2", "T_2", "|T_2| <= T_1", "T for two samples")
S1 = _real("S1", "S_1", "real", "S for one sample")
S2 = _real("S2", "S_2", "real", "S for two samples")
S3 = _real("S3", "S_3", "real", "S for two batches")
c = _real("c", "c", "0 or 1", "1 if the outputs are centred over the samples, else 0")
scale = _positive("scale", "a", "> 0", "scale of the activation erf(a x)")
raw_variance = _positive(
    "raw_variance", r"\sigma_v^2", "> 0", "variance of a raw weight, times fan-in"
)
h_mean = _real("h_mean", r"\bar h", "real", "mean activation, E phi", between=(0, 1))
g1 = _positive("g1", "g_1", "> 0", "square of an activation by its own parameter, mean")
g2 = _real("g2", "g_2", "|g_2| <= g_1", "the same product over two samples, mean")
g_tt = _real("g_tt", "g_{tt}", "real", "E psi_t psi_s uh_t^2 of normalized values uh")
g_ts = _real("g_ts", "g_{ts}", "real", "E psi_t psi_s uh_t uh_s")
g_ss = _real("g_ss", "g_{ss}", "real", "E psi_t psi_s uh_s^2")
S_erf = _positive(
    "S_erf", r"\varsigma", "> 0", "1/(2 a^2): erf'(a x) is a Gaussian of this variance"
)

# A Gaussian pair
u_t = _real("u_t", "u_t", "real", "pre-activation of sample t")
u_s = _real("u_s", "u_s", "real", "pre-activation of sample s")
y = _real("y", "y", "real", "(u_t + u_s)/sqrt(2)")
z = _real("z", "z", "real", "(u_t - u_s)/sqrt(2)")
r = _real("r", "r", "real", "variable of integration")
q_plus = _positive("q_plus", "q_+", "> 0", "q_1 + q_2, the variance of y")
q_minus = _positive("q_minus", "q_-", "> 0", "q_1 - q_2, the variance of z")

# Gaussian kernels: a pair of two variances
q11 = _positive("q11", "q_{11}", "> 0", "variance of u_t", between=(2, 4))
q22 = _positive("q22", "q_{22}", "> 0", "variance of u_s", between=(2, 4))
q12 = _real("q12", "q_{12}", "q_12^2 < q_11 q_22", "covariance of u_t and u_s")
m1 = _real("m1", "m_1", "real", "mean of u_t")
m2 = _real("m2", "m_2", "real", "mean of u_s")
S_t = _positive("S_t", r"\varsigma_t", "> 0", "variance of the noise added to u_t")
S_s = _positive("S_s", r"\varsigma_s", "> 0", "variance of the noise added to u_s")
slope = _real("slope", r"\ell", "real", "slope of leaky ReLU below 0", between=(-2, -1))
floor = _positive("floor", r"\lambda", "> 0", "ELU tends to minus this", between=(1, 2))
omega = _real("omega", r"\omega", "real", "frequency")
phase = _real("phase", r"\vartheta", "real", "phase")
rate = _real("rate", r"\nu", "real", "rate of an exponential")
precision = _positive("precision", "b", "> 0", "precision of exp(-b x^2/2)")
offset = _real("offset", "c_0", "real", "value of a probit far below 0")
height = _real("height", "c_1", "real", "height of a probit")
spread_t = _positive("spread_t", "w_t", "> 0", "Kolmogorov variable that mixes the noise of u_t")
spread_s = _positive("spread_s", "w_s", "> 0", "Kolmogorov variable that mixes the noise of u_s")
distance = _positive("distance", "|u_t|", "> 0", "distance of u_t from 0")
stretch = _positive("stretch", r"\lambda_S", "> 0", "SELU is ELU times this")
power = _whole("power", "m", "1, 2, ...", "power of ReLU, degree of a monomial", between=(2, 5))
coefficients = tuple(
    _real(f"coefficient_{k}", f"a_{k}", "real", f"coefficient of x^{k}") for k in range(5)
)
angle = _positive("angle", r"\psi_{ts}", "0..pi", "arccos(-c) for the correlation c")
kink_t = _positive("kink_t", r"\tau_t", "real", "kink of the function of u_t")
kink_s = _positive("kink_s", r"\tau_s", "real", "kink of the function of u_s")
bend_t = _real("bend_t", "b_t", "real", "growth of the slope at the kink of u_t")
bend_s = _real("bend_s", "b_s", "real", "growth of the slope at the kink of u_s")
jump_t = _real("jump_t", "h_t", "real", "growth of the function at the kink of u_t")
jump_s = _real("jump_s", "h_s", "real", "growth of the function at the kink of u_s")
radius = _positive("radius", r"\varrho", "> 0", "length of a standard Gaussian vector")
turn = _positive("turn", r"\chi", "0..psi", "angle of integration", between=(0, 1))

# Batch normalization
v = _positive("v", "v", "> 0", "q_1 - q_2 of the outputs")
gamma = _positive("gamma", r"\gamma", "not 0", "gain")
beta = _real("beta", r"\beta", "real", "shift")
eps = _positive("eps", r"\epsilon", ">= 0", "regularizer")
mu = _real("mu", r"\mu", "real", "mean over what is normalized together")
sigma2 = _positive("sigma2", r"\sigma^2", "> 0", "biased variance of an output over the samples")
tau = _positive("tau", r"\tau", "0 < tau <= 1", "sigma^2/(sigma^2 + eps)", between=(0, 1))
eta = _real("eta", r"\eta", "real", "length of a step along g")
nu = _real("nu", r"\bar g", "real", "mean of g over the samples")
cov = _real("cov", "c_{fg}", "real", "covariance of f and g over the samples")
var = _positive("var", r"\sigma_g^2", "> 0", "variance of g over the samples")
inverse = _positive("inverse", r"\bar\varpi", "> 0", "mean of 1/sigma^2 over the units")
xi = _positive("xi", r"\xi", "> 0", "chi-square variable")
n = _positive("n", "n", "> 0", "degrees of freedom")
excess = _positive("excess", "d", "> 0", "degrees of freedom beyond those a moment needs")

# Kernel and spectrum
K1 = _positive("K1", "K_1", "> 0", "squared norm of an output's gradient", between=(3, 5))
K2 = _real("K2", "K_2", "|K_2| <= K_1", "product of the gradients at two samples")
K3 = _real("K3", "K_3", "real", "product of the gradients at samples of two batches")
kappa1 = _positive("kappa1", r"\kappa_1", "> 0", "K_1/(alpha M)")
kappa2 = _real("kappa2", r"\kappa_2", "|kappa_2| <= kappa_1", "K_2/(alpha M)")

trace_metric = _positive("trace_metric", r"\varrho_t", "> 0", "mean of the trace of B_t")
trace_square = _positive("trace_square", r"\varrho_{tt}", "> 0", "mean of the trace of B_t^2")
trace_cross = _positive("trace_cross", r"\varrho_{ts}", "> 0", "mean of the trace of B_t B_s")
lambda_out = _positive("lambda", r"\bar\lambda", "> 0", "an eigenvalue above the bulk")

# Indices
s = _whole("s", "s", "1..N", "sample of an output")
t = _whole("t", "t", "1..N", "sample of an output")
s_inner = _whole("s_inner", "s'", "1..N", "sample of a pre-activation")
t_inner = _whole("t_inner", "t'", "1..N", "sample of a pre-activation")
i = _whole("i", "i", "1..M", "unit of a layer")
j = _whole("j", "j", "1..M'", "unit of the layer above")
k = _whole("k", "k", "1..M'", "unit of the layer above")
l = _whole("l", "l", "1..L", "layer")
batch = _whole("batch", r"\mathsf b", "1..N/B", "batch of a sample")
batch_inner = _whole("batch_inner", r"\mathsf b'", "1..N/B", "batch of a sample")
batch_last = _whole("batch_last", r"\mathsf b''", "1..N/B", "batch of a sample")

# Matrices over the samples, and vectors with their transposes
identity = _letter("I", "I", "N x N", "identity")
ones = _letter("ones", r"\mathbf{1}", "N x 1", "all ones")
ones_row = _letter("ones_row", r"\mathbf{1}^{\top}", "1 x N", "all ones, transposed")
x = _letter("x", "x", "N x 1", "any vector orthogonal to all named ones")
blocks = _letter("E", "E", "N x N", "1 for two samples of one batch, else 0")
contrast = _letter("contrast", "w", "N x 1", "constant on each batch, orthogonal to ones")
fh = _letter("fh", r"\hat f", "N x 1", "normalized output, before gain and shift")
fh_row = _letter("fh_row", r"\hat f^{\top}", "1 x N", "normalized output, transposed")
gram_below = _letter("gram_below", "H_{l-1}", "N x N", "Gram matrix of the layer below")
jacobian = _letter("J", "J", "N x P", "Jacobian of one output over the samples")
jacobian_t = _letter("J_T", r"J^{\top}", "P x N", "Jacobian, transposed")

dual = _letter("dual", "F^*", "N x N", "dual Fisher matrix, J J^T/N")
top = _letter("top", "e", "N x 1", "eigenvector of lambda")

# Maps that couple the C outputs of a sample t
A_t = _letter("A_t", "A_t", "C x C", "derivative of the map at sample t")
A_t_T = _letter("A_t_T", r"A_t^{\top}", "C x C", "derivative of the map, transposed")
B_t = _letter("B_t", "B_t", "C x C", "A_t^T A_t")
A_s = _letter("A_s", "A_s", "C x C", "derivative of the map at sample s")
A_s_T = _letter("A_s_T", r"A_s^{\top}", "C x C", "derivative of the map, transposed")
B_s = _letter("B_s", "B_s", "C x C", "A_s^T A_s")
resolvent = _letter("R_t", "R_t", "C x C", "inverse of lambda - (K_1 - K_2)/N B_t")
common = _letter("common", r"\mathsf{x}", "C x 1", "sum over the samples of A_t^T y_t")

# Arrays, of which nothing is known but what a proof states
Lambda = _array("Lambda", r"\Lambda", "N x N", "backward matrix of an output")
backward = _array("zeta", r"\zeta", "M' x N", "derivative of an output by a pre-activation")
psi = _array("psi", r"\psi", "M x N", "derivative of the activation, phi'(u)")
inverses = _array("inverses", r"\varpi", "M", "1/sigma^2 of a unit over the samples")
h = _array("h", "h", "M x N", "activation")
u = _array("u", "u", "M x N", "pre-activation")
uh = _array("uh", r"\hat u", "M x N", "normalized pre-activation, before scale and shift")
own_slope = _array("own_slope", r"\dot h", "M x N", "slope of an activation in its own parameter")
f = _array("f", "f", "N", "output")
fh_entry = _array("fh_entry", r"\hat f", "N", "entry of the normalized output")
g = _array("g", "g", "N", "direction in which the outputs move")

# The bulk where samples grow with the width
bulk_edge = _positive("bulk_edge", r"\lambda_e", "> 0", "right edge of the bulk", between=(8, 12))
fluctuation = _positive("fluctuation", r"s_e", "> 0", "scale of Tracy and Widom at the edge")
edge_bend = _positive("edge_bend", r"\ddot\lambda", "> 0", "curvature of lambda(g) at the edge")
below_edge = _positive("below_edge", r"x_e", "> 0", "distance below the edge")
in_units = _positive("in_units", r"y_e", "> 0", "the same in units of the scale s")
mean_law = _positive("mean_law", r"k_1", "> 0", "mean of the law of the bulk")
variance_law = _positive("variance_law", r"k_2", "> 0", "variance of the law of the bulk")
ratio = _positive("ratio", r"\alpha_l", "> 0", "width of a layer over M")
ratio_below = _positive("ratio_below", r"\alpha_{l-1}", "> 0", "width of the layer below over M")
first_sigma = _positive("first_sigma", r"\tau_1", "> 0", "mean eigenvalue of a covariance")
second_sigma = _positive("second_sigma", r"\tau_2", "> 0", "that of its square")
weight_of = _positive("weight_of", "X_l", "> 0", "effective weight of the Gram matrix of a layer")
weight_below = _positive("weight_below", "x_{l-1}", "> 0", "own weight of that of the layer below")
gain_b2 = _positive("gain_b2", r"s_l b_l^2", "> 0", "square of the linear part of a layer")
noise_of = _positive("noise_of", "R_l", "> 0", "variance of the rest")
above_below = _positive("above_below", "X_{l-1}", "> 0", "effective weight of the layer below")
resolved = _real("resolved", "E_{l-1}", "real", "resolvent of the layer below")
spectral = _real("spectral", r"g_{\lambda}", "real", "mean of 1/(eigenvalue - lambda)")
own_part = _positive("own_part", "A_l", "> 0", "variance of phi' times that of its unit's weight")
other_part = _positive("other_part", "B_l", "> 0", "mean of phi'^2 times the rest of the weights")
g_step = _real("g_step", r"h_e", "real", "g less its value at the edge")

# Gradient descent with weight decay on a scale-invariant loss
decay = _positive(
    "decay", r"\varepsilon", "0..1", "learning rate times weight decay", between=(0, 1)
)
cost = _positive("cost", "C_b", "> 0", "forgetting of squared gradients, over the squared rate")
rate2 = _positive("rate2", r"\eta_r^2", "> 0", "squared learning rate of RMSprop")
learning_rate = _positive("learning_rate", r"\eta_w", "> 0", "learning rate of the weights")
weight_decay = _positive("weight_decay", r"\lambda_w", "> 0", "weight decay")
effective = _positive("effective", r"\tilde\eta", "> 0", "learning rate of the direction")
length = _positive("length", r"\ell_w", "> 0", "length of the weights")
stretch_w = _positive("stretch_w", r"c_w", "> 0", "factor of the weights")
bias = _real("bias", "b_i", "real", "bias of a unit")
bias_mean = _real("bias_mean", r"\bar b", "real", "mean of the biases over the units of a layer")
bias_var = _positive("bias_var", r"\sigma_{\bar b}^2", ">= 0", "variance of these biases")
along = _real(
    "along", r"\theta^{\top}\mathsf d", "real", "the part of a change of weights along them"
)
radial = _real("radial", r"\theta^{\top}\nabla F", "real", "radial part of the gradient of F")
across = _real(
    "across", r"\mathsf d^{\top}\nabla F", "real", "gradient of F along a change of weights"
)
span = _positive("span", r"|\mathsf d|^2", "> 0", "squared length of a change of weights")
G = _positive("G", "G", "> 0", "squared gradient at the direction")
second = _positive("second", r"\nu_2", "> 0", "inverse square of the effective learning rate")
clock = _real("clock", r"\mathsf t", "real", "variable of a derivative at 0")
X = _positive("X", "X", "> 0", "mean square of the angle off the minimizers")
D = _positive("D", "D", ">= 0", "squared slope of the logarithm of the sharpness")
top_curvature = _positive("top_curvature", r"\lambda_1", "> 0", "top eigenvalue at a minimizer")
Q = _real("Q", "Q", "real", "second derivative of the log sharpness along its gradient")
cubic = _real("cubic", "c", "real", "cubic coefficient across the minimizers")
quadratic = _real("quadratic", "a", "real", "coefficient of the square in a step across")
cube = _real("cube", "b", "real", "coefficient of the cube in a step across")
off = _real("off", "s", "real", "angle along the great circle of the top eigenvector")
curve = _real("curve", "L_3", "real", "third derivative of the loss along that circle")
warp = _real("warp", "L_4", "real", "fourth derivative of the loss along that circle")
curve_beside = _real("curve_beside", "L_{3a}", "real", "two derivatives along it, one beside it")
curvature_beside = _positive("curvature_beside", r"\lambda_a", "> 0", "curvature beside it")
deviation = _real("deviation", "n", "real", "deviation beside the circle")
offset_u = _real("offset_u", "u", "> -2", "effective rate times sharpness, less 2")
slip = _real("slip", r"\mathsf z", "real", "how far a minimizer is ahead of another, along -g")
log_angle = _real("log_angle", r"\ell_x", "real", "logarithm of the angle over its mean")
arc = _positive("arc", r"\mathsf s", "0..pi/2", "angle on an arc", between=(0, 1))
form = _positive("form", "b_2", "> 0, not 1", "second entry of a form whose first is 1", (2, 4))
height_q = _positive("height_q", r"\mathsf q", "> 0", "value of the form at a direction")
square_r = _positive("square_r", r"\mathsf r", "> 0", "value of its square", (9, 16))
tilt = _positive("tilt", r"\alpha_0", "0..pi/2", "angle off the minimum norm at time 0", (0, 1))
flow_time = _positive("flow_time", r"\tau_w", "> 0", "learning rate times decay times steps")
misfit = _real("misfit", "r_0", "real", "residual of a sample")
misfit_slope = _real("misfit_slope", "r_1", "real", "its slope along a line of weights")
misfit_bend = _real("misfit_bend", "r_2", "real", "its second derivative along that line")
decay_pull = _real("decay_pull", r"p_{\varepsilon}", "real", "slope of lambda_1 along the decay")
slope2 = _positive("slope2", r"|\nabla\lambda_1|^2", "> 0", "squared gradient in root-rate units")
share_k = _positive("share_k", "p_k", "0..1", "part of a group in the top eigenvector", (0, 1))
pull_sum = _positive(
    "pull_sum", r"\bar p_{\varepsilon}", "> 0", "decays of the groups, by their parts"
)
push_sum = _positive("push_sum", r"\bar p_{\eta}", "> 0", "squared parts, times the rates")
slope2_t = _positive("slope2_t", r"|\nabla_z S|^2", ">= 0", "squared gradient along the sphere")
radius2 = _positive("radius2", "|Z|^2", "> 0", "squared length of the weights over root rates")
theta = _letter("theta", r"\theta", "n x 1", "direction of the weights")
theta_row = _letter("theta_row", r"\theta^{\top}", "1 x n", "direction, transposed")
grad = _letter("grad", r"\nabla F", "n x 1", "gradient of any function F at the direction")
grad_row = _letter("grad_row", r"\nabla F^{\top}", "1 x n", "its transpose")
bend = _letter("bend", r"\nabla^2 F", "n x n", "second derivatives of F at the direction")
way = _letter("way", r"\mathsf d", "n x 1", "a change of the weights")
way_row = _letter("way_row", r"\mathsf d^{\top}", "1 x n", "a change of the weights, transposed")
design = _letter("design", "X", "N x n", "inputs, centred over the samples")
design_t = _letter("design_t", r"X^{\top}", "n x N", "its transpose")
pull = _letter("pull", "p", "N x 1", "slope of a loss in its linear outputs")
push = _letter("push", r"\nabla L", "n x 1", "gradient of the loss at the direction")
push_row = _letter("push_row", r"\nabla L^{\top}", "1 x n", "its transpose")

# Functions, of which nothing is known but what a proof states
varphi = _function("varphi", r"\varphi", "R -> R", "activation")
density = _function("p", "p", "> 0", "density of a Gaussian pair at (u_t, u_s)")
corner = _function("p_plus", "p_+", "> 0", "density of a pair at (1, 1), given the covariance")
far_corner = _function("p_minus", "p_-", "> 0", "density of a pair at (1, -1), likewise")
noisy_density = _function("p_S", r"p_{\varsigma}", "> 0", "density of a noisy pair at 0")
kolmogorov = _function("f_K", "f_K", "> 0", "density of the Kolmogorov distribution")
origin = _function("p_0", "p_0", "> 0", "density of a pair at 0, given the covariance")
edge_t = _function("e_t", "e_t", "> 0", "E[exp(u_s) below 0] where u_t = 0, times its density")
edge_s = _function("e_s", "e_s", "> 0", "E[exp(u_t) below 0] where u_s = 0, times its density")
tilt_t = _function("xi_t", r"\xi_t", "real", "minus the slope of log p in m_1")
tilt_s = _function("xi_s", r"\xi_s", "real", "minus the slope of log p in m_2")
bending = _function("kappa", r"\kappa", "real", "curvature of one kink, given the covariance")
moved_variance = _function("variance", r"\sigma^2", "> 0", "variance of the outputs f + eta g")


def delta(a: sp.Basic, b: sp.Basic, size: sp.Basic = N) -> sp.Basic:
    """1 where two indices that run from 1 to ``size`` agree, else 0."""
    return sp.KroneckerDelta(a, b, (1, size))
