from skdistill.runtime._explanation import Explanation as Explanation
