from skdistill.metrics._bootstrap import paired_bootstrap as paired_bootstrap
from skdistill.metrics._calibration import apply_temperature as apply_temperature
from skdistill.metrics._calibration import expected_calibration_error as expected_calibration_error
from skdistill.metrics._calibration import fit_temperature as fit_temperature
from skdistill.metrics._fidelity import fidelity as fidelity
from skdistill.metrics._fidelity import retention as retention
from skdistill.metrics._word_order import word_order_sensitivity as word_order_sensitivity
