from skdistill.displays._pareto import pareto_front as pareto_front
