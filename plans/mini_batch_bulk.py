"""fisherfield check --from plans/mini_batch_bulk.py

A conjecture on the bulk under hidden batch norm with mini-batches, N = M: it is that of one batch.
It is wrong at a fixed batch size. Networks of width 200 with batches of 100, 20 and 8 had 1.00,
0.88 and 0.70 times the variance over the squared mean and 0.99, 0.94 and 0.85 times the top over
the mean (ReLU, L = 2, standard errors 0.01): the corrections are powers of 1/B, not of 1/M.
Hidden mean subtraction shows the same top within its error of 0.013 from B = 8 on. Neither is
derived, and ``predict --regime proportional`` refuses both. The claim below is refuted: 0.83(1).
"""

from dataclasses import replace

from derivations import claim
from derivations.approach import BULK_VARIANCE
from derivations.fisher.bulk_variance import relative_variance
from derivations.samples import Proportional
from theory import Network
from theory.bulk import top
from theory.bulk.model import model
from theory.bulk.moments import cumulants

WHOLE = Network("relu", depth=2, sigma_w2=2, sigma_b2=0.1, hidden="batchnorm")
BATCHES = replace(WHOLE, batch_size=16)


def of_one_batch(t):
    return t._replace(
        top=lambda: top(WHOLE, t.N, t.N), cumulants=lambda: cumulants(model(WHOLE, 1.0, t.N))
    )


def claimed(name, observable, value, approach):
    def prediction(t):
        return value(of_one_batch(t))

    return claim(name, BATCHES, observable, prediction, samples=Proportional(1), approach=approach)


variance = claimed("mini-batch-variance", "relative_variance", relative_variance, BULK_VARIANCE)
