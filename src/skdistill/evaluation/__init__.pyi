from skdistill.evaluation._model_table import count_parameters as count_parameters
from skdistill.evaluation._verdict import DistillationReport as DistillationReport
from skdistill.evaluation._verdict import Scores as Scores
